package row

import (
	"fmt"
	"math"
)

// toVector handles the usual vector forms; coerceSlice does the rest.
func toVector(t Type, v any) (any, bool, error) {
	var x []float32
	switch s := v.(type) {
	case []float32:
		x = append([]float32(nil), s...)
		if s == nil {
			return nil, false, nil
		}
	case []float64:
		if s == nil {
			return nil, false, nil
		}
		x = make([]float32, len(s))
		for i, f := range s {
			x[i] = float32(f)
			if math.IsInf(float64(x[i]), 0) && !math.IsInf(f, 0) {
				return nil, true, &RangeError{Type: Of(t.Kind), Value: fmt.Sprint(f)}
			}
		}
	case interface{ Slice() []float32 }:
		x = append([]float32(nil), s.Slice()...)
	default:
		return nil, false, nil
	}
	out, err := checkVector(t, x)
	return out, true, err
}

// checkVector checks a vector the caller may keep. Infinities and NaN are refused, as pgvector does.
func checkVector(t Type, x []float32) (any, error) {
	if len(x) == 0 || len(x) > MaxVectorDim {
		return nil, dimensionCount(t, len(x))
	}
	if want := t.Dim(); want != 0 && len(x) != want {
		return nil, &DimensionError{Want: want, Got: len(x)}
	}
	name := Type{Kind: t.Kind, Mod: -1}.String()
	for i, f := range x {
		switch {
		case f != f:
			return nil, &ValueError{Type: t, Code: "22000", Reason: "NaN not allowed in " + name}
		case math.IsInf(float64(f), 0):
			return nil, &ValueError{Type: t, Code: "22000", Reason: "infinite value not allowed in " + name}
		}
		if t.Kind == Halfvec {
			h := fromHalf(toHalf(f))
			if math.IsInf(float64(h), 0) {
				return nil, &RangeError{Type: Of(t.Kind), Value: fmt.Sprint(f)}
			}
			x[i] = h
		}
	}
	return x, nil
}

// dimensionCount is the error for a vector that no column can hold.
func dimensionCount(t Type, n int) error {
	name := Type{Kind: t.Kind, Mod: -1}.String()
	if n == 0 {
		return &ValueError{Type: t, Code: "22000", Reason: name + " must have at least 1 dimension"}
	}
	return &ValueError{Type: t, Code: "54000", Reason: fmt.Sprintf("%s cannot have more than %d dimensions", name, MaxVectorDim)}
}
