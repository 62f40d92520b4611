package quant

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

var (
	_ Codec = (*Flat)(nil)
	_ Codec = (*SQ8)(nil)
)

func codec[C Codec](t testing.TB) func(c C, err error) C {
	return func(c C, err error) C {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
}

func TestKind(t *testing.T) {
	for k, n := range map[Kind]uint8{KindFlat: 1, KindSQ8: 2} {
		if uint8(k) != n {
			t.Errorf("%v is %d on disk, want %d", k, uint8(k), n)
		}
		if got, err := ParseKind(strings.ToUpper(k.String())); err != nil || got != k {
			t.Errorf("ParseKind(%v) = %v, %v", k, got, err)
		}
	}
	if _, err := ParseKind("pq"); err == nil || Kind(9).String() != "kind(9)" {
		t.Error("an unknown kind passes")
	}
}

func TestFlat(t *testing.T) {
	f := codec[*Flat](t)(NewFlat(5))
	v := []float32{1, float32(math.NaN()), float32(math.Inf(-1)), math.SmallestNonzeroFloat32, -0.1}
	code := f.AppendCode([]byte{7}, v)
	if len(code) != 1+f.CodeSize() {
		t.Fatalf("code of %d bytes, want %d", len(code)-1, f.CodeSize())
	}
	got := make([]float32, 5)
	if err := f.Decode(got, code[1:]); err != nil {
		t.Fatal(err)
	}
	for i := range v {
		if math.Float32bits(v[i]) != math.Float32bits(got[i]) {
			t.Errorf("element %d: %v, was %v", i, got[i], v[i])
		}
	}
	buf := append(make([]byte, 0, 64), code[1:]...)
	if fs, ok := f.Floats(buf); ok {
		for i := range v {
			if math.Float32bits(v[i]) != math.Float32bits(fs[i]) {
				t.Errorf("element %d seen as %v, was %v", i, fs[i], v[i])
			}
		}
		if _, ok := f.Floats(append(buf, make([]byte, 21)...)[1:41]); ok {
			t.Error("codes that are not aligned are seen as float32")
		}
	}
	if _, ok := f.Floats(buf[:19]); ok {
		t.Error("half a code is seen as float32")
	}
	if fs, ok := f.Floats(nil); len(fs) != 0 || !ok {
		t.Error("no codes are not seen as no vectors")
	}
}

func TestCodecRefuses(t *testing.T) {
	fails := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	for _, dim := range []int{0, -1, MaxDim + 1} {
		_, err := NewFlat(dim)
		fails("flat", err, ErrParams)
		_, err = NewSQ8(dim, nil)
		fails("sq8", err, ErrParams)
		_, err = TrainSQ8(dim, nil)
		fails("train", err, ErrParams)
	}
	_, err := NewSQ8(3, []float32{1})
	fails("short centre", err, ErrParams)
	_, err = NewSQ8(1, []float32{float32(math.NaN())})
	fails("centre of NaN", err, ErrParams)
	_, err = TrainSQ8(3, make([]float32, 7))
	fails("ragged rows", err, ErrDimension)
	for _, c := range []Codec{codec[*Flat](t)(NewFlat(4)), codec[*SQ8](t)(NewSQ8(4, nil))} {
		code := c.AppendCode(nil, make([]float32, 4))
		fails("short dst", c.Decode(make([]float32, 3), code), ErrDimension)
		fails("short code", c.Decode(make([]float32, 4), code[1:]), ErrCode)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%v encodes a vector of another dimension", c.Kind())
				}
			}()
			c.AppendCode(nil, make([]float32, 5))
		}()
	}
}

func TestParams(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	centre := normal(r, 6)
	for _, c := range []Codec{
		codec[*Flat](t)(NewFlat(6)), codec[*Flat](t)(NewFlat(MaxDim)),
		codec[*SQ8](t)(NewSQ8(6, nil)), codec[*SQ8](t)(NewSQ8(6, centre)),
	} {
		p := c.AppendParams([]byte("x"))[1:]
		again, err := Open(p)
		if err != nil || again.Kind() != c.Kind() || again.Dim() != c.Dim() || !bytes.Equal(again.AppendParams(nil), p) {
			t.Errorf("%v of %d opens as %v, %v", c.Kind(), c.Dim(), again, err)
			continue
		}
		v := normal(r, c.Dim())
		if !bytes.Equal(c.AppendCode(nil, v), again.AppendCode(nil, v)) {
			t.Errorf("%v of %d makes other codes when opened again", c.Kind(), c.Dim())
		}
		for i := range p[:paramsHeader] {
			for _, to := range []byte{0, 0xff} {
				bad := slices.Clone(p)
				if bad[i] == to {
					continue
				}
				bad[i] = to
				if x, err := Open(bad); !errors.Is(err, ErrParams) && (err != nil || i < 4) {
					t.Errorf("byte %d as %#x opens %v, %v", i, to, x, err)
				}
			}
		}
		for _, bad := range [][]byte{p[:7], p[:len(p)-1], append(slices.Clone(p), 1)} {
			if _, err := Open(bad); !errors.Is(err, ErrParams) {
				t.Errorf("%d bytes for %d: %v", len(bad), len(p), err)
			}
		}
	}
}

func FuzzOpen(f *testing.F) {
	for _, c := range []Codec{codec[*Flat](f)(NewFlat(3)), codec[*SQ8](f)(NewSQ8(2, []float32{1, 2}))} {
		f.Add(c.AppendParams(nil), c.AppendCode(nil, make([]float32, c.Dim())))
	}
	f.Fuzz(func(t *testing.T, params, code []byte) {
		c, err := Open(params)
		if err != nil {
			if !errors.Is(err, ErrParams) {
				t.Fatalf("error %v", err)
			}
			return
		}
		if !bytes.Equal(c.AppendParams(nil), params) {
			t.Fatal("parameters change when written again")
		}
		dst := make([]float32, c.Dim())
		if err := c.Decode(dst, code); (err == nil) != (len(code) == c.CodeSize()) {
			t.Fatalf("%d bytes for a code of %d: %v", len(code), c.CodeSize(), err)
		}
	})
}

func normal(r *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return v
}
