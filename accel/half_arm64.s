//go:build arm64 && !purego

#include "textflag.h"

// Encodings are those of the Arm Architecture Reference Manual, C7.2; operands as in neon_arm64.s.
#define FCVTL(n, d) WORD $(0x0E217800 | ((n)<<5) | (d))
#define FSUB4(m, n, d) WORD $(0x4EA0D400 | ((m)<<16) | ((n)<<5) | (d))
#define FADDP4(m, n, d) WORD $(0x6E20D400 | ((m)<<16) | ((n)<<5) | (d))
#define FADDP2(n, d) WORD $(0x7E30D800 | ((n)<<5) | (d))

// func dotHalfNEON(q *float32, row *uint16, n int) float32
TEXT ·dotHalfNEON(SB), NOSPLIT, $0-28
	MOVD q+0(FP), R0
	MOVD row+8(FP), R1
	MOVD n+16(FP), R2
	VEOR V0.B16, V0.B16, V0.B16

dot4:
	VLD1.P 16(R0), [V1.S4]
	VLD1.P 8(R1), [V2.H4]
	FCVTL(2, 3)
	VFMLA V1.S4, V3.S4, V0.S4
	SUB  $4, R2
	CBNZ R2, dot4
	FADDP4(0, 0, 0)
	FADDP2(0, 0)
	FMOVS F0, ret+24(FP)
	RET

// func l2sqHalfNEON(q *float32, row *uint16, n int) float32
TEXT ·l2sqHalfNEON(SB), NOSPLIT, $0-28
	MOVD q+0(FP), R0
	MOVD row+8(FP), R1
	MOVD n+16(FP), R2
	VEOR V0.B16, V0.B16, V0.B16

sq4:
	VLD1.P 16(R0), [V1.S4]
	VLD1.P 8(R1), [V2.H4]
	FCVTL(2, 3)
	FSUB4(3, 1, 4)
	VFMLA V4.S4, V4.S4, V0.S4
	SUB  $4, R2
	CBNZ R2, sq4
	FADDP4(0, 0, 0)
	FADDP2(0, 0)
	FMOVS F0, ret+24(FP)
	RET
