//go:build arm64 && !purego

#include "textflag.h"

// The assembler lacks these; encodings are those of the Arm Architecture Reference Manual, C7.2. Operands are numbers of V
// registers in the order of the assembler: sources first, destination last.
#define FADD4(m, n, d) WORD $(0x4E20D400 | ((m)<<16) | ((n)<<5) | (d))
#define FSUB4(m, n, d) WORD $(0x4EA0D400 | ((m)<<16) | ((n)<<5) | (d))
#define FABD4(m, n, d) WORD $(0x6EA0D400 | ((m)<<16) | ((n)<<5) | (d))
#define FADDP4(m, n, d) WORD $(0x6E20D400 | ((m)<<16) | ((n)<<5) | (d))
#define FADDP2(n, d) WORD $(0x7E30D800 | ((n)<<5) | (d))
#define SMULL(m, n, d) WORD $(0x0E20C000 | ((m)<<16) | ((n)<<5) | (d))
#define SMULL2(m, n, d) WORD $(0x4E20C000 | ((m)<<16) | ((n)<<5) | (d))
#define SADALP(n, d) WORD $(0x4E606800 | ((n)<<5) | (d))

// func dotNEON(a, b *float32, n int) float32
TEXT ·dotNEON(SB), NOSPLIT, $0-28
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD n+16(FP), R2
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16

dot16:
	CMP  $16, R2
	BLT  dotfold
	VLD1.P 64(R0), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]
	VFMLA V4.S4, V16.S4, V0.S4
	VFMLA V5.S4, V17.S4, V1.S4
	VFMLA V6.S4, V18.S4, V2.S4
	VFMLA V7.S4, V19.S4, V3.S4
	SUB  $16, R2
	B    dot16

dotfold:
	FADD4(1, 0, 0)
	FADD4(3, 2, 2)
	FADD4(2, 0, 0)
	FADDP4(0, 0, 0)
	FADDP2(0, 0)

dot1:
	CBZ   R2, dotdone
	FMOVS.P 4(R0), F4
	FMOVS.P 4(R1), F5
	FMADDS F4, F0, F5, F0
	SUB   $1, R2
	B     dot1

dotdone:
	FMOVS F0, ret+24(FP)
	RET

// func l2sqNEON(a, b *float32, n int) float32
TEXT ·l2sqNEON(SB), NOSPLIT, $0-28
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD n+16(FP), R2
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16

l216:
	CMP  $16, R2
	BLT  l2fold
	VLD1.P 64(R0), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]
	FSUB4(16, 4, 4)
	FSUB4(17, 5, 5)
	FSUB4(18, 6, 6)
	FSUB4(19, 7, 7)
	VFMLA V4.S4, V4.S4, V0.S4
	VFMLA V5.S4, V5.S4, V1.S4
	VFMLA V6.S4, V6.S4, V2.S4
	VFMLA V7.S4, V7.S4, V3.S4
	SUB  $16, R2
	B    l216

l2fold:
	FADD4(1, 0, 0)
	FADD4(3, 2, 2)
	FADD4(2, 0, 0)
	FADDP4(0, 0, 0)
	FADDP2(0, 0)

l21:
	CBZ   R2, l2done
	FMOVS.P 4(R0), F4
	FMOVS.P 4(R1), F5
	FSUBS F5, F4, F4
	FMADDS F4, F0, F4, F0
	SUB   $1, R2
	B     l21

l2done:
	FMOVS F0, ret+24(FP)
	RET

// func l1NEON(a, b *float32, n int) float32
TEXT ·l1NEON(SB), NOSPLIT, $0-28
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD n+16(FP), R2
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16

l116:
	CMP  $16, R2
	BLT  l1fold
	VLD1.P 64(R0), [V4.S4, V5.S4, V6.S4, V7.S4]
	VLD1.P 64(R1), [V16.S4, V17.S4, V18.S4, V19.S4]
	FABD4(16, 4, 4)
	FABD4(17, 5, 5)
	FABD4(18, 6, 6)
	FABD4(19, 7, 7)
	FADD4(4, 0, 0)
	FADD4(5, 1, 1)
	FADD4(6, 2, 2)
	FADD4(7, 3, 3)
	SUB  $16, R2
	B    l116

l1fold:
	FADD4(1, 0, 0)
	FADD4(3, 2, 2)
	FADD4(2, 0, 0)
	FADDP4(0, 0, 0)
	FADDP2(0, 0)

l11:
	CBZ   R2, l1done
	FMOVS.P 4(R0), F4
	FMOVS.P 4(R1), F5
	FSUBS F5, F4, F4
	FABSS F4, F4
	FADDS F4, F0, F0
	SUB   $1, R2
	B     l11

l1done:
	FMOVS F0, ret+24(FP)
	RET

// func dotInt8NEON(a, b *int8, n int) int32
TEXT ·dotInt8NEON(SB), NOSPLIT, $0-28
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD n+16(FP), R2
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16

i32:
	CMP  $32, R2
	BLT  ifold
	VLD1.P 32(R0), [V4.B16, V5.B16]
	VLD1.P 32(R1), [V6.B16, V7.B16]
	// A product is at most 2^14, two of them fit a word only because each is widened before it is added.
	SMULL(6, 4, 16)
	SMULL2(6, 4, 17)
	SMULL(7, 5, 18)
	SMULL2(7, 5, 19)
	SADALP(16, 0)
	SADALP(17, 1)
	SADALP(18, 0)
	SADALP(19, 1)
	SUB  $32, R2
	B    i32

ifold:
	VADD V1.S4, V0.S4, V0.S4
	VADDV V0.S4, V0
	VMOV V0.S[0], R3

i1:
	CBZ   R2, idone
	MOVB.P 1(R0), R4
	MOVB.P 1(R1), R5
	MULW  R4, R5, R4
	ADDW  R4, R3
	SUB   $1, R2
	B     i1

idone:
	MOVW R3, ret+24(FP)
	RET

// func hammingNEON(a, b *byte, n int) int
TEXT ·hammingNEON(SB), NOSPLIT, $0-32
	MOVD a+0(FP), R0
	MOVD b+8(FP), R1
	MOVD n+16(FP), R2
	MOVD ZR, R3

h32:
	CMP  $32, R2
	BLT  h1
	VLD1.P 32(R0), [V4.B16, V5.B16]
	VLD1.P 32(R1), [V6.B16, V7.B16]
	VEOR V4.B16, V6.B16, V4.B16
	VEOR V5.B16, V7.B16, V5.B16
	VCNT V4.B16, V4.B16
	VCNT V5.B16, V5.B16
	VADD V5.B16, V4.B16, V4.B16
	VUADDLV V4.B16, V4
	VMOV V4.H[0], R4
	ADD  R4, R3
	SUB  $32, R2
	B    h32

h1:
	CBZ   R2, hdone
	MOVBU.P 1(R0), R4
	MOVBU.P 1(R1), R5
	EOR   R4, R5, R4
	VEOR  V4.B16, V4.B16, V4.B16
	VMOV  R4, V4.B[0]
	VCNT  V4.B16, V4.B16
	VMOV  V4.B[0], R4
	ADD   R4, R3
	SUB   $1, R2
	B     h1

hdone:
	MOVD R3, ret+24(FP)
	RET

// SDOT adds to each lane of d the sum of four products of signed bytes of n and m.
#define SDOT(m, n, d) WORD $(0x4E809400 | (m)<<16 | (n)<<5 | (d))

// func byteTileNEON(steps int, a *byte, lda int, b *byte, flip uint64, c *int32)
TEXT ·byteTileNEON(SB), NOSPLIT, $0-48
	MOVD steps+0(FP), R0
	MOVD a+8(FP), R1
	MOVD lda+16(FP), R2
	MOVD b+24(FP), R3
	MOVD flip+32(FP), R10
	MOVD c+40(FP), R4
	ADD  R2, R1, R5
	ADD  R2, R5, R6
	ADD  R2, R6, R7
	ADD  R2, R7, R8
	ADD  R2, R8, R9
	VEOR V0.B16, V0.B16, V0.B16
	VEOR V1.B16, V1.B16, V1.B16
	VEOR V2.B16, V2.B16, V2.B16
	VEOR V3.B16, V3.B16, V3.B16
	VEOR V4.B16, V4.B16, V4.B16
	VEOR V5.B16, V5.B16, V5.B16
	VEOR V6.B16, V6.B16, V6.B16
	VEOR V7.B16, V7.B16, V7.B16
	VEOR V8.B16, V8.B16, V8.B16
	VEOR V9.B16, V9.B16, V9.B16
	VEOR V10.B16, V10.B16, V10.B16
	VEOR V11.B16, V11.B16, V11.B16
	VEOR V12.B16, V12.B16, V12.B16
	VEOR V13.B16, V13.B16, V13.B16
	VEOR V14.B16, V14.B16, V14.B16
	VEOR V15.B16, V15.B16, V15.B16
	VEOR V16.B16, V16.B16, V16.B16
	VEOR V17.B16, V17.B16, V17.B16
	VEOR V18.B16, V18.B16, V18.B16
	VEOR V19.B16, V19.B16, V19.B16
	VEOR V20.B16, V20.B16, V20.B16
	VEOR V21.B16, V21.B16, V21.B16
	VEOR V22.B16, V22.B16, V22.B16
	VEOR V23.B16, V23.B16, V23.B16
	VDUP R10, V31.D2

step:
	VLD1 (R3), [V24.B16, V25.B16, V26.B16, V27.B16]
	ADD  $256, R3
	VEOR V31.B16, V24.B16, V24.B16
	VEOR V31.B16, V25.B16, V25.B16
	VEOR V31.B16, V26.B16, V26.B16
	VEOR V31.B16, V27.B16, V27.B16
	VLD1R.P 4(R1), [V28.S4]
	SDOT(28, 24, 0)
	SDOT(28, 25, 1)
	SDOT(28, 26, 2)
	SDOT(28, 27, 3)
	VLD1R.P 4(R5), [V29.S4]
	SDOT(29, 24, 4)
	SDOT(29, 25, 5)
	SDOT(29, 26, 6)
	SDOT(29, 27, 7)
	VLD1R.P 4(R6), [V28.S4]
	SDOT(28, 24, 8)
	SDOT(28, 25, 9)
	SDOT(28, 26, 10)
	SDOT(28, 27, 11)
	VLD1R.P 4(R7), [V29.S4]
	SDOT(29, 24, 12)
	SDOT(29, 25, 13)
	SDOT(29, 26, 14)
	SDOT(29, 27, 15)
	VLD1R.P 4(R8), [V28.S4]
	SDOT(28, 24, 16)
	SDOT(28, 25, 17)
	SDOT(28, 26, 18)
	SDOT(28, 27, 19)
	VLD1R.P 4(R9), [V29.S4]
	SDOT(29, 24, 20)
	SDOT(29, 25, 21)
	SDOT(29, 26, 22)
	SDOT(29, 27, 23)
	SUBS $1, R0
	BNE  step
	VST1.P [V0.S4, V1.S4, V2.S4, V3.S4], 64(R4)
	VST1.P [V4.S4, V5.S4, V6.S4, V7.S4], 64(R4)
	VST1.P [V8.S4, V9.S4, V10.S4, V11.S4], 64(R4)
	VST1.P [V12.S4, V13.S4, V14.S4, V15.S4], 64(R4)
	VST1.P [V16.S4, V17.S4, V18.S4, V19.S4], 64(R4)
	VST1.P [V20.S4, V21.S4, V22.S4, V23.S4], 64(R4)
	RET
