package plan

import (
	"math"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"

	"engram/sql/types"
)

const (
	microsPerDay = 24 * 3600 * 1000000
	infinity     = int64(math.MaxInt64)
)

func (e *Env) style() *types.Style {
	if e == nil || e.Style == nil {
		return &types.Style{}
	}
	return e.Style
}

func (e *Env) zone() *time.Location {
	if z := e.style().TimeZone; z != nil {
		return z
	}
	return time.UTC
}

// castValue casts a value that is not NULL.
func castValue(env *Env, from, to types.Type, v any, explicit bool) (any, error) {
	if from.OID == to.OID && to.Mod < 0 {
		return v, nil
	}
	out, err := castPlain(env, from, to, v)
	if err != nil || out == nil {
		return nil, err
	}
	return applyMod(to, out, explicit)
}

func castPlain(env *Env, from, to types.Type, v any) (any, error) {
	switch {
	case from.OID == to.OID:
		return v, nil
	case isText(to.OID):
		if s, ok := v.(string); ok && from.OID != types.BpcharOID {
			if to.OID == types.NameOID {
				return truncateName(s), nil
			}
			return s, nil
		}
		return textOf(env, from, v)
	case isText(from.OID):
		s, ok := v.(string)
		if !ok {
			break
		}
		if isReg(to.OID) {
			return callSession(env, regName(to.OID)+"in", []any{s})
		}
		return types.ParseText(types.Of(to.OID), s, env.style())
	case isNumber(from.OID) && isNumber(to.OID), isOID(from.OID) && isInt(to.OID), isInt(from.OID) && isOID(to.OID):
		return castNumber(to.OID, v)
	case isOID(from.OID) && isOID(to.OID), isBits(from.OID) && isBits(to.OID):
		return v, nil
	case from.OID == types.BoolOID && to.OID == types.Int4OID:
		return pick(v == true, int64(1), int64(0)), nil
	case from.OID == types.Int4OID && to.OID == types.BoolOID:
		return v != int64(0), nil
	case isVector(from.OID) && isVector(to.OID):
		return v, nil
	case isVector(to.OID) || isVector(from.OID):
		return castVector(from, to, v)
	case isArray(from) && isArray(to):
		return castArray(env, from, to, v)
	case isJSON(from.OID) && isJSON(to.OID):
		return types.ParseText(to, v.(string), nil)
	case isMoment(from.OID) && isMoment(to.OID):
		return castMoment(env, from.OID, to.OID, v)
	case from.OID == types.TimeOID && to.OID == types.IntervalOID:
		return types.Interval{Micros: v.(int64)}, nil
	}
	return nil, types.Errorf(types.CodeFeatureNotSupported, "a cast from %s to %s cannot be done here", from, to)
}

// textOf is the output function of a type, as a cast to text uses it.
func textOf(env *Env, from types.Type, v any) (any, error) {
	switch from.OID {
	case types.BoolOID:
		return pick(v == true, "true", "false"), nil
	case types.BpcharOID:
		return strings.TrimRight(v.(string), " "), nil
	}
	if isReg(from.OID) {
		return callSession(env, regName(from.OID)+"out", []any{v})
	}
	b, err := types.AppendText(nil, from, v, env.style())
	return string(b), err
}

// castNumber casts between numbers, rounding to the nearest (halves: to even from floats, away from zero from numerics).
func castNumber(to uint32, v any) (any, error) {
	switch to {
	case types.Float8OID:
		f, err := asFloat(v)
		return f, err
	case types.Float4OID:
		f, err := asFloat(v)
		if err != nil {
			return nil, err
		}
		if g := float32(f); !math.IsInf(float64(g), 0) || math.IsInf(f, 0) {
			return g, nil
		}
		return nil, outOfRange(to)
	case types.NumericOID:
		return asDecimal(v)
	}
	switch x := v.(type) {
	case int64:
		return checkInt(to, x)
	case float32, float64:
		f, _ := asFloat(x)
		f = math.RoundToEven(f)
		lo, hi := intRange(to)
		if math.IsNaN(f) || f < float64(lo) || f >= float64(hi)+1 {
			return nil, outOfRange(to)
		}
		return int64(f), nil
	case *apd.Decimal:
		var d apd.Decimal
		if x.Form != apd.Finite {
			return nil, types.Errorf(types.CodeFeatureNotSupported, "cannot convert %s to %s", x, types.Of(to))
		}
		if _, err := decimals.Quantize(&d, x, 0); err != nil {
			return nil, outOfRange(to)
		}
		i, err := d.Int64()
		if err != nil {
			return nil, outOfRange(to)
		}
		return checkInt(to, i)
	}
	return nil, types.Errorf(types.CodeInternalError, "cannot cast a value of Go type %T to %s", v, types.Of(to))
}

func asFloat(v any) (float64, error) {
	switch x := v.(type) {
	case int64:
		return float64(x), nil
	case float32:
		return float64(x), nil
	case float64:
		return x, nil
	case *apd.Decimal:
		f, err := x.Float64()
		if err != nil || math.IsInf(f, 0) && x.Form == apd.Finite {
			return 0, types.Errorf(types.CodeNumericValueOutOfRange, "\"%s\" is out of range for type double precision", x)
		}
		return f, nil
	}
	return 0, types.Errorf(types.CodeInternalError, "a number was expected, not a value of Go type %T", v)
}

// asDecimal keeps 15 significant digits of a float8 and 6 of a float4, as PostgreSQL does.
func asDecimal(v any) (any, error) {
	digits := 15
	switch x := v.(type) {
	case int64:
		return apd.New(x, 0), nil
	case *apd.Decimal:
		return x, nil
	case float32:
		digits = 6
	}
	f, err := asFloat(v)
	if err != nil {
		return nil, err
	}
	return types.ParseText(types.Of(types.NumericOID), formatDigits(f, digits), nil)
}

func castVector(from, to types.Type, v any) (any, error) {
	if x, ok := v.([]float32); ok {
		out := make([]any, len(x))
		for i, f := range x {
			out[i] = f
		}
		return out, nil
	}
	list, ok := v.([]any)
	if !ok {
		return nil, types.Errorf(types.CodeInternalError, "cannot cast a value of Go type %T to %s", v, to)
	}
	out := make([]float32, len(list))
	for i, x := range list {
		if x == nil {
			return nil, types.Errorf(types.CodeNullValueNotAllowed, "array must not contain nulls")
		}
		f, err := asFloat(x)
		if err != nil {
			return nil, err
		}
		out[i] = float32(f)
	}
	if len(out) == 0 {
		return nil, types.Errorf(types.CodeDataException, "vector must have at least 1 dimension")
	}
	return out, nil
}

func castArray(env *Env, from, to types.Type, v any) (any, error) {
	f, _ := types.ElemOf(from)
	t, _ := types.ElemOf(to)
	list, ok := v.([]any)
	if !ok {
		return nil, types.Errorf(types.CodeInternalError, "an array was expected, not a value of Go type %T", v)
	}
	f.Mod, t.Mod = -1, -1
	out := make([]any, len(list))
	for i, x := range list {
		if x == nil {
			continue
		}
		y, err := castValue(env, f, t, x, true)
		if err != nil {
			return nil, err
		}
		out[i] = y
	}
	return out, nil
}

// applyMod applies length, precision and dimension. A written cast to varchar(n) cuts; an assignment must fit, which
// the column checks.
func applyMod(to types.Type, v any, explicit bool) (any, error) {
	if to.Mod < 0 {
		return v, nil
	}
	switch to.OID {
	case types.VarcharOID, types.BpcharOID:
		s := []rune(v.(string))
		n := int(to.Mod - 4)
		if len(s) > n {
			if !explicit && strings.TrimRight(string(s[n:]), " ") != "" {
				return nil, types.Errorf(types.CodeStringDataRightTruncation, "value too long for type %s", to)
			}
			s = s[:n]
		}
		if to.OID == types.BpcharOID {
			return string(s) + strings.Repeat(" ", max(0, n-len(s))), nil
		}
		return string(s), nil
	case types.VectorOID, types.HalfvecOID:
		if x, ok := v.([]float32); ok && len(x) != int(to.Mod) {
			return nil, types.Errorf(types.CodeDataException, "expected %d dimensions, not %d", to.Mod, len(x))
		}
		return v, nil
	case types.BitOID, types.VarbitOID:
		return castBits(to, v, explicit)
	case types.NumericOID, types.TimestampOID, types.TimestamptzOID, types.TimeOID:
		b, err := types.AppendText(nil, types.Of(to.OID), v, nil)
		if err != nil {
			return nil, err
		}
		return types.ParseText(to, string(b), nil) // the input function rounds
	}
	return v, nil
}

func castBits(to types.Type, v any, explicit bool) (any, error) {
	s, ok := v.(string)
	n := int(to.Mod)
	switch {
	case !ok:
		return v, nil
	case !explicit && to.OID == types.BitOID && len(s) != n:
		return nil, types.Errorf(types.CodeStringDataLengthMismatch, "bit string length %d does not match type bit(%d)", len(s), n)
	case !explicit && len(s) > n:
		return nil, types.Errorf(types.CodeStringDataRightTruncation, "bit string too long for type bit varying(%d)", n)
	case len(s) > n:
		return s[:n], nil
	case to.OID == types.BitOID:
		return s + strings.Repeat("0", n-len(s)), nil
	}
	return s, nil
}

// castMoment casts between dates and times.
func castMoment(env *Env, from, to uint32, v any) (any, error) {
	switch x := v.(type) {
	case int32: // date
		if x == math.MaxInt32 || x == -math.MaxInt32 {
			return pick(x > 0, infinity, -infinity), nil
		}
		local := int64(x) * microsPerDay
		if to == types.TimestamptzOID {
			return fromLocal(local, env.zone()), nil
		}
		return local, nil
	case int64:
		if from == types.TimeOID {
			break
		}
		if x == infinity || x == -infinity {
			if to == types.DateOID {
				return pick(x > 0, int32(math.MaxInt32), int32(-math.MaxInt32)), nil
			}
			return x, nil
		}
		if from == types.TimestampOID && to == types.TimestamptzOID {
			return fromLocal(x, env.zone()), nil
		}
		if from == types.TimestamptzOID {
			_, offset := time.UnixMicro(x).In(env.zone()).Zone()
			if to == types.TimetzOID {
				return types.TimeTZ{Micros: floorMod(x+int64(offset)*1000000, microsPerDay), Offset: int32(offset)}, nil
			}
			x += int64(offset) * 1000000
		}
		switch to {
		case types.TimestampOID:
			return x, nil
		case types.DateOID:
			return int32((x - floorMod(x, microsPerDay)) / microsPerDay), nil
		case types.TimeOID:
			return floorMod(x, microsPerDay), nil
		}
	}
	return nil, types.Errorf(types.CodeFeatureNotSupported, "a cast from %s to %s cannot be done here", types.Of(from), types.Of(to))
}

func floorMod(a, b int64) int64 {
	m := a % b
	if m < 0 {
		m += b
	}
	return m
}

// fromLocal takes microseconds of a wall clock in a zone for a moment.
func fromLocal(local int64, zone *time.Location) int64 {
	u := time.UnixMicro(local).UTC()
	return time.Date(u.Year(), u.Month(), u.Day(), u.Hour(), u.Minute(), u.Second(), u.Nanosecond(), zone).UnixMicro()
}
