package plan

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"engram/sql/types"
)

// decimalCall makes a function over numerics that travel as texts.
func decimalCall(f func(a, b *apd.Decimal) (any, error)) goCall {
	return func(_ *Env, v []any) (any, error) {
		d := make([]*apd.Decimal, 2)
		for i := range v {
			s, ok := v[i].(string)
			if !ok {
				continue
			}
			x, err := types.ParseText(types.Of(types.NumericOID), s, nil)
			if err != nil {
				return nil, err
			}
			d[i] = x.(*apd.Decimal)
		}
		out, err := f(d[0], d[1])
		if err != nil {
			return nil, err
		}
		return decimalText(out)
	}
}

func decimalText(v any) (any, error) {
	b, err := types.AppendText(nil, types.Of(types.NumericOID), v, nil)
	return string(b), err
}

func intDivide(a, b *apd.Decimal) (any, error) {
	if b.IsZero() {
		return nil, divisionByZero()
	}
	var d apd.Decimal
	if _, err := decimals.QuoInteger(&d, a, b); err != nil {
		return nil, numericError(err)
	}
	return plainDecimal(&d), nil
}

func sqrtDecimal(a *apd.Decimal) (any, error) {
	if a.Negative && !a.IsZero() {
		return nil, types.Errorf("2201F", "cannot take square root of a negative number")
	}
	c := decimals
	c.Precision = 60
	var d apd.Decimal
	if _, err := c.Sqrt(&d, a); err != nil {
		return nil, numericError(err)
	}
	w, _ := firstGroup(a)
	scale := max(int32(16-((w+1)*2-1)), scaleOf(a), 0)
	if _, err := decimals.Quantize(&d, &d, -scale); err != nil {
		return nil, numericError(err)
	}
	return &d, nil
}

func truncDecimal(a *apd.Decimal, n int64) (any, error) {
	c := decimals
	c.Rounding = apd.RoundDown
	var d apd.Decimal
	if _, err := c.Quantize(&d, a, -int32(max(min(n, 1000), -1000))); err != nil {
		return nil, numericError(err)
	}
	return plainDecimal(&d), nil
}

func roundDecimal(a *apd.Decimal, n int64) (any, error) {
	var d apd.Decimal
	if a.Form != apd.Finite {
		return a, nil
	}
	if _, err := decimals.Quantize(&d, a, -int32(max(min(n, 1000), -1000))); err != nil {
		return nil, numericError(err)
	}
	return plainDecimal(&d), nil
}

func modInt(oid uint32) goCall {
	return func(_ *Env, v []any) (any, error) { return calculateInt("%", oid, v[0].(int64), v[1].(int64)) }
}

var numberCalls = map[string]goCall{
	"numeric_div":    decimalCall(divideDecimal),
	"numeric_intdiv": decimalCall(intDivide),
	"numeric_mod":    decimalCall(func(a, b *apd.Decimal) (any, error) { return calculateDecimal("%", a, b) }),
	"numeric_power":  decimalCall(powerDecimal),
	"numeric_sqrt":   decimalCall(func(a, _ *apd.Decimal) (any, error) { return sqrtDecimal(a) }),
	"numeric_trunc": func(env *Env, v []any) (any, error) {
		return decimalCall(func(a, _ *apd.Decimal) (any, error) { return truncDecimal(a, v[1].(int64)) })(env, v[:1])
	},
	"numeric_scale": func(_ *Env, v []any) (any, error) {
		_, frac, _ := strings.Cut(v[0].(string), ".")
		return int64(len(frac)), nil
	},
	"factorial": func(_ *Env, v []any) (any, error) {
		n := v[0].(int64)
		if n < 0 {
			return nil, types.Errorf(types.CodeNumericValueOutOfRange, "factorial of a negative number is undefined")
		}
		if n > 33 { // more than 38 digits
			return nil, types.Errorf(types.CodeNumericValueOutOfRange, "value overflows numeric format")
		}
		return new(big.Int).MulRange(1, max(n, 1)).String(), nil
	},
	"sqrt": func(_ *Env, v []any) (any, error) {
		if x := v[0].(float64); x < 0 {
			return nil, types.Errorf("2201F", "cannot take square root of a negative number")
		}
		return math.Sqrt(v[0].(float64)), nil
	},
	"ln":    logarithm(math.Log),
	"log10": logarithm(math.Log10),
	"power": func(_ *Env, v []any) (any, error) {
		f, err := powerFloat(v[0].(float64), v[1].(float64))
		return f, err
	},
	"mod_int2": modInt(types.Int2OID), "mod_int4": modInt(types.Int4OID), "mod_int8": modInt(types.Int8OID),
	"width_bucket": widthBucket,
	// A shift takes its count modulo the width, as PostgreSQL's machine does.
	"shift_left_int4":  func(_ *Env, v []any) (any, error) { return int64(int32(v[0].(int64)) << uint(v[1].(int64)&31)), nil },
	"shift_right_int4": func(_ *Env, v []any) (any, error) { return int64(int32(v[0].(int64)) >> uint(v[1].(int64)&31)), nil },
	"shift_left_int8":  func(_ *Env, v []any) (any, error) { return v[0].(int64) << uint(v[1].(int64)&63), nil },
	"shift_right_int8": func(_ *Env, v []any) (any, error) { return v[0].(int64) >> uint(v[1].(int64)&63), nil },
	"bit_and":          bitwise("AND", func(a, b bool) bool { return a && b }),
	"bit_or":           bitwise("OR", func(a, b bool) bool { return a || b }),
	"bit_xor":          bitwise("XOR", func(a, b bool) bool { return a != b }),
	"bit_length":       func(_ *Env, v []any) (any, error) { return int64(len(v[0].(string))), nil },
	"bit_int": func(_ *Env, v []any) (any, error) {
		n, err := strconv.ParseUint(pick(v[0] == "", "0", v[0].(string)), 2, 64)
		if err != nil {
			return nil, outOfRange(types.Int8OID)
		}
		return int64(n), nil
	},
	"int_bit": func(_ *Env, v []any) (any, error) {
		n := int(v[1].(int64))
		if n < 1 || n > 1<<20 {
			return nil, types.Errorf(types.CodeInvalidParameterValue, "length for type bit is out of range")
		}
		s := strconv.FormatUint(uint64(v[0].(int64)), 2)
		if len(s) >= n {
			return s[len(s)-n:], nil
		}
		return strings.Repeat("0", n-len(s)) + s, nil
	},
	"bits": func(_ *Env, v []any) (any, error) {
		return castBits(types.Type{OID: pick(v[2] == true, types.BitOID, types.VarbitOID), Mod: int32(v[1].(int64))}, v[0], true)
	},
}

func logarithm(f func(float64) float64) goCall {
	return func(_ *Env, v []any) (any, error) {
		switch x := v[0].(float64); {
		case x == 0:
			return nil, types.Errorf("2201E", "cannot take logarithm of zero")
		case x < 0:
			return nil, types.Errorf("2201E", "cannot take logarithm of a negative number")
		default:
			return f(x), nil
		}
	}
}

func widthBucket(_ *Env, v []any) (any, error) {
	x, lo, hi, n := v[0].(float64), v[1].(float64), v[2].(float64), v[3].(int64)
	switch {
	case n <= 0:
		return nil, types.Errorf("2201G", "count must be greater than zero")
	case math.IsNaN(x) || math.IsNaN(lo) || math.IsNaN(hi):
		return nil, types.Errorf("2201G", "operand, lower bound, and upper bound cannot be NaN")
	case lo == hi:
		return nil, types.Errorf("2201G", "lower bound cannot equal upper bound")
	}
	if lo > hi {
		x, lo, hi = -x, -lo, -hi
	}
	switch {
	case x < lo:
		return int64(0), nil
	case x >= hi:
		return checkInt(types.Int4OID, n+1)
	}
	return int64((x-lo)/(hi-lo)*float64(n)) + 1, nil
}

func bitwise(word string, f func(a, b bool) bool) goCall {
	return func(_ *Env, v []any) (any, error) {
		a, b := v[0].(string), v[1].(string)
		if len(a) != len(b) {
			return nil, types.Errorf(types.CodeStringDataLengthMismatch, "cannot %s bit strings of different sizes", word)
		}
		out := []byte(a)
		for i := range out {
			out[i] = pick(f(a[i] == '1', b[i] == '1'), byte('1'), byte('0'))
		}
		return string(out), nil
	}
}

// formatDigits prints a float with so many significant digits.
func formatDigits(f float64, digits int) string { return strconv.FormatFloat(f, 'g', digits, 64) }

// vectorCalls follow pgvector: the accumulators are float64 where its are, and dimensions must agree.
var vectorCalls = map[string]goCall{
	"l2_distance": vectorPair(func(a, b []float32) float64 {
		var s float64
		for i := range a {
			d := float64(a[i]) - float64(b[i])
			s += d * d
		}
		return math.Sqrt(s)
	}),
	"cosine_distance": vectorPair(func(a, b []float32) float64 {
		dot, na, nb := dot(a, b), dot(a, a), dot(b, b)
		return 1 - max(-1, min(1, dot/math.Sqrt(na*nb)))
	}),
	"inner_product":          vectorPair(dot),
	"negative_inner_product": vectorPair(func(a, b []float32) float64 { return -dot(a, b) }),
	"l1_distance": vectorPair(func(a, b []float32) float64 {
		var s float64
		for i := range a {
			s += math.Abs(float64(a[i]) - float64(b[i]))
		}
		return s
	}),
	"hamming_distance": func(_ *Env, v []any) (any, error) {
		a, b, err := sameBits(v)
		if err != nil {
			return nil, err
		}
		n := 0
		for i := range a {
			n += pick(a[i] != b[i], 1, 0)
		}
		return float64(n), nil
	},
	"jaccard_distance": func(_ *Env, v []any) (any, error) {
		a, b, err := sameBits(v)
		if err != nil {
			return nil, err
		}
		both, any_ := 0, 0
		for i := range a {
			both += pick(a[i] == '1' && b[i] == '1', 1, 0)
			any_ += pick(a[i] == '1' || b[i] == '1', 1, 0)
		}
		if both == 0 {
			return float64(1), nil
		}
		return 1 - float64(both)/float64(any_), nil
	},
	"vector_norm": func(_ *Env, v []any) (any, error) { a := v[0].([]float32); return math.Sqrt(dot(a, a)), nil },
	"l2_normalize": func(_ *Env, v []any) (any, error) {
		a := v[0].([]float32)
		n := math.Sqrt(dot(a, a))
		out := make([]float32, len(a))
		if n > 0 {
			for i := range a {
				out[i] = float32(float64(a[i]) / n)
			}
		}
		return out, nil
	},
	"subvector": func(_ *Env, v []any) (any, error) {
		a, start, n := v[0].([]float32), v[1].(int64), v[2].(int64)
		lo, hi := max(start, 1)-1, min(start+n-1, int64(len(a)))
		if n < 1 || hi <= lo {
			return nil, types.Errorf(types.CodeDataException, "vector must have at least 1 dimension")
		}
		return a[lo:hi], nil
	},
	"binary_quantize": func(_ *Env, v []any) (any, error) {
		a := v[0].([]float32)
		out := make([]byte, len(a))
		for i, x := range a {
			out[i] = pick(x > 0, byte('1'), byte('0'))
		}
		return string(out), nil
	},
	"vector_add": vectorMap(func(a, b float32) float32 { return a + b }),
	"vector_sub": vectorMap(func(a, b float32) float32 { return a - b }),
	"vector_mul": vectorMap(func(a, b float32) float32 { return a * b }),
	"vector_dimension": func(_ *Env, v []any) (any, error) {
		return applyMod(types.Type{OID: types.VectorOID, Mod: int32(v[1].(int64))}, v[0], true)
	},
	"vector_sum": func(_ *Env, v []any) (any, error) { return foldVectors(v[0].([]any), false) },
	"vector_avg": func(_ *Env, v []any) (any, error) { return foldVectors(v[0].([]any), true) },
}

func dot(a, b []float32) float64 {
	var s float64
	for i := range a {
		s += float64(a[i]) * float64(b[i])
	}
	return s
}

func sameDimensions(a, b []float32) error {
	if len(a) != len(b) {
		return types.Errorf(types.CodeDataException, "different vector dimensions %d and %d", len(a), len(b))
	}
	return nil
}

func vectorPair(f func(a, b []float32) float64) goCall {
	return func(_ *Env, v []any) (any, error) {
		a, b := v[0].([]float32), v[1].([]float32)
		if err := sameDimensions(a, b); err != nil {
			return nil, err
		}
		return f(a, b), nil
	}
}

func vectorMap(f func(a, b float32) float32) goCall {
	return func(_ *Env, v []any) (any, error) {
		a, b := v[0].([]float32), v[1].([]float32)
		if err := sameDimensions(a, b); err != nil {
			return nil, err
		}
		out := make([]float32, len(a))
		for i := range a {
			out[i] = f(a[i], b[i])
			if math.IsInf(float64(out[i]), 0) {
				return nil, types.Errorf(types.CodeNumericValueOutOfRange, "value out of range: overflow")
			}
		}
		return out, nil
	}
}

func sameBits(v []any) (a, b string, err error) {
	a, b = v[0].(string), v[1].(string)
	if len(a) != len(b) {
		return "", "", types.Errorf(types.CodeDataException, "different bit lengths %d and %d", len(a), len(b))
	}
	return a, b, nil
}

// foldVectors adds vectors up, skipping NULLs, and divides by their number for the average.
func foldVectors(list []any, average bool) (any, error) {
	var sum []float64
	n := 0
	for _, x := range list {
		v, ok := x.([]float32)
		if !ok {
			continue
		}
		if sum == nil {
			sum = make([]float64, len(v))
		}
		if len(v) != len(sum) {
			return nil, types.Errorf(types.CodeDataException, "expected %d dimensions, not %d", len(sum), len(v))
		}
		for i := range v {
			sum[i] += float64(v[i])
		}
		n++
	}
	if sum == nil {
		return nil, nil
	}
	out := make([]float32, len(sum))
	for i := range sum {
		out[i] = float32(pick(average, sum[i]/float64(n), sum[i]))
	}
	return out, nil
}
