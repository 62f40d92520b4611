//go:build arm64 && !purego

#include "textflag.h"

// Encodings are those of the Arm Architecture Reference Manual, C7.2; operands as in neon_arm64.s.
#define SMULL(m, n, d) WORD $(0x0E20C000 | ((m)<<16) | ((n)<<5) | (d))
#define SMULL2(m, n, d) WORD $(0x4E20C000 | ((m)<<16) | ((n)<<5) | (d))
#define SADALP(n, d) WORD $(0x4E606800 | ((n)<<5) | (d))

// func fastScanNEON(codes, lut *byte, groups, blocks int, dst *uint16)
TEXT ·fastScanNEON(SB), NOSPLIT, $0-40
	MOVD codes+0(FP), R0
	MOVD lut+8(FP), R1
	MOVD groups+16(FP), R2
	MOVD blocks+24(FP), R3
	MOVD dst+32(FP), R4
	VMOVI $15, V30.B16

block:
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	MOVD R1, R6
	MOVD R2, R7

group:
	VLD1.P 16(R0), [V16.B16]
	VLD1.P 16(R6), [V17.B16]
	VAND V30.B16, V16.B16, V18.B16
	VUSHR $4, V16.B16, V19.B16
	VTBL V18.B16, [V17.B16], V20.B16
	VTBL V19.B16, [V17.B16], V21.B16
	VUADDW V20.B8, V0.H8, V0.H8
	VUADDW2 V20.B16, V1.H8, V1.H8
	VUADDW V21.B8, V2.H8, V2.H8
	VUADDW2 V21.B16, V3.H8, V3.H8
	SUB  $1, R7
	CBNZ R7, group
	VUZP1 V1.H8, V0.H8, V24.H8
	VUZP2 V1.H8, V0.H8, V25.H8
	VUZP1 V3.H8, V2.H8, V26.H8
	VUZP2 V3.H8, V2.H8, V27.H8
	VST1.P [V24.H8, V25.H8, V26.H8, V27.H8], 64(R4)
	SUB  $1, R3
	CBNZ R3, block
	RET

// func dotNibblesNEON(q *int8, size int, record *byte) int32
TEXT ·dotNibblesNEON(SB), NOSPLIT, $0-28
	MOVD q+0(FP), R0
	MOVD size+8(FP), R1
	MOVD record+16(FP), R2
	ADD  R0, R1, R3
	VMOVI $15, V30.B16
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16

chunk:
	VLD1.P 16(R2), [V16.B16]
	VLD1.P 16(R0), [V17.B16]
	VLD1.P 16(R3), [V18.B16]
	VAND V30.B16, V16.B16, V19.B16
	VUSHR $4, V16.B16, V20.B16
	SMULL(17, 19, 21)
	SMULL2(17, 19, 22)
	SMULL(18, 20, 23)
	SMULL2(18, 20, 24)
	SADALP(21, 0)
	SADALP(22, 1)
	SADALP(23, 0)
	SADALP(24, 1)
	SUB  $16, R1
	CBNZ R1, chunk
	VADD V1.S4, V0.S4, V0.S4
	VADDV V0.S4, V0
	VMOV V0.S[0], R0
	MOVW R0, ret+24(FP)
	RET

// func dotOffsetNEON(q *int8, record *byte, n int) int32
TEXT ·dotOffsetNEON(SB), NOSPLIT, $0-28
	MOVD q+0(FP), R0
	MOVD record+8(FP), R1
	MOVD n+16(FP), R2
	VMOVI $128, V30.B16
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16

line:
	VLD1.P 16(R0), [V16.B16]
	VLD1.P 16(R1), [V17.B16]
	VEOR V30.B16, V17.B16, V17.B16
	SMULL(16, 17, 18)
	SMULL2(16, 17, 19)
	SADALP(18, 0)
	SADALP(19, 1)
	SUB  $16, R2
	CBNZ R2, line
	VADD V1.S4, V0.S4, V0.S4
	VADDV V0.S4, V0
	VMOV V0.S[0], R0
	MOVW R0, ret+24(FP)
	RET
