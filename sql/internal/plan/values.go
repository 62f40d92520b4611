package plan

import (
	"bytes"
	"cmp"
	"math"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"engram/sql/types"
)

// decimals is the arithmetic of numeric: far more digits than any column holds.
var decimals = apd.Context{Precision: 2000, MaxExponent: apd.MaxExponent, MinExponent: apd.MinExponent, Rounding: apd.RoundHalfUp,
	Traps: apd.InvalidOperation}

func numericError(err error) error {
	return types.Errorf(types.CodeNumericValueOutOfRange, "value overflows numeric format: %s", err)
}

func outOfRange(oid uint32) error {
	return types.Errorf(types.CodeNumericValueOutOfRange, "%s out of range", types.Of(oid))
}

func divisionByZero() error { return types.Errorf(types.CodeDivisionByZero, "division by zero") }

// plainDecimal writes a decimal out without a positive exponent.
func plainDecimal(d *apd.Decimal) *apd.Decimal {
	out, _, err := apd.NewFromString(d.Text('f'))
	if err != nil {
		return d
	}
	return out
}

// intRange gives the bounds of an integer type.
func intRange(oid uint32) (lo, hi int64) {
	switch oid {
	case types.Int2OID:
		return math.MinInt16, math.MaxInt16
	case types.Int4OID:
		return math.MinInt32, math.MaxInt32
	case types.OidOID:
		return 0, math.MaxUint32
	}
	return math.MinInt64, math.MaxInt64
}

func checkInt(oid uint32, v int64) (any, error) {
	if lo, hi := intRange(oid); v < lo || v > hi {
		return nil, outOfRange(oid)
	}
	return v, nil
}

func isZero(v any) bool {
	switch x := v.(type) {
	case int64:
		return x == 0
	case float64:
		return x == 0
	case float32:
		return x == 0
	case *apd.Decimal:
		return x.IsZero()
	}
	return false
}

func negateValue(oid uint32, v any) (any, error) {
	switch x := v.(type) {
	case int64:
		if lo, _ := intRange(oid); x == lo {
			return nil, outOfRange(oid)
		}
		return -x, nil
	case float64:
		return -x, nil
	case float32:
		return -x, nil
	case *apd.Decimal:
		return new(apd.Decimal).Neg(x), nil
	case types.Interval:
		return types.Interval{Months: -x.Months, Days: -x.Days, Micros: -x.Micros}, nil
	}
	return nil, types.Errorf(types.CodeInternalError, "cannot negate a value of Go type %T", v)
}

// calculate does arithmetic between two values of one numeric type.
func calculate(op string, oid uint32, l, r any) (any, error) {
	switch a := l.(type) {
	case int64:
		b, ok := r.(int64)
		if !ok {
			return nil, types.Errorf(types.CodeInternalError, "operands of Go types %T and %T", l, r)
		}
		return calculateInt(op, oid, a, b)
	case float32:
		b, _ := r.(float32)
		v, err := calculateFloat(op, float64(a), float64(b))
		if err != nil {
			return nil, err
		}
		f := float32(v)
		if math.IsInf(float64(f), 0) && !math.IsInf(float64(a), 0) && !math.IsInf(float64(b), 0) {
			return nil, types.Errorf(types.CodeNumericValueOutOfRange, "value out of range: overflow")
		}
		return f, nil
	case float64:
		b, _ := r.(float64)
		v, err := calculateFloat(op, a, b)
		return v, err
	case *apd.Decimal:
		b, ok := r.(*apd.Decimal)
		if !ok {
			return nil, types.Errorf(types.CodeInternalError, "operands of Go types %T and %T", l, r)
		}
		return calculateDecimal(op, a, b)
	}
	return nil, types.Errorf(types.CodeInternalError, "operands of Go types %T and %T", l, r)
}

func calculateInt(op string, oid uint32, a, b int64) (any, error) {
	switch op {
	case "+":
		if c := a + b; (c > a) == (b > 0) {
			return checkInt(oid, c)
		}
	case "-":
		if c := a - b; (c < a) == (b > 0) {
			return checkInt(oid, c)
		}
	case "*":
		c := a * b
		if a == 0 || c/a == b && !(a == -1 && b == math.MinInt64) {
			return checkInt(oid, c)
		}
	case "/", "%":
		if b == 0 {
			return nil, divisionByZero()
		}
		if b == -1 { // the smallest integer has no opposite
			if op == "%" {
				return int64(0), nil
			}
			return negateValue(oid, a)
		}
		return pick(op == "/", a/b, a%b), nil
	}
	return nil, outOfRange(oid)
}

func calculateFloat(op string, a, b float64) (float64, error) {
	var v float64
	switch op {
	case "+":
		v = a + b
	case "-":
		v = a - b
	case "*":
		v = a * b
	case "/":
		if b == 0 {
			return 0, divisionByZero()
		}
		v = a / b
	case "^":
		return powerFloat(a, b)
	}
	if math.IsInf(v, 0) && !math.IsInf(a, 0) && !math.IsInf(b, 0) {
		return 0, types.Errorf(types.CodeNumericValueOutOfRange, "value out of range: overflow")
	}
	return v, nil
}

func powerFloat(a, b float64) (float64, error) {
	if a == 0 && b < 0 {
		return 0, types.Errorf("2201F", "zero raised to a negative power is undefined")
	}
	if a < 0 && b != math.Trunc(b) {
		return 0, types.Errorf("2201F", "a negative number raised to a non-integer power yields a complex result")
	}
	v := math.Pow(a, b)
	if math.IsInf(v, 0) && !math.IsInf(a, 0) && !math.IsInf(b, 0) {
		return 0, types.Errorf(types.CodeNumericValueOutOfRange, "value out of range: overflow")
	}
	return v, nil
}

// scaleOf is the number of digits behind the point.
func scaleOf(d *apd.Decimal) int32 { return max(0, -d.Exponent) }

func calculateDecimal(op string, a, b *apd.Decimal) (any, error) {
	var d apd.Decimal
	var err error
	switch op {
	case "+":
		_, err = decimals.Add(&d, a, b)
	case "-":
		_, err = decimals.Sub(&d, a, b)
	case "*":
		_, err = decimals.Mul(&d, a, b)
	case "/":
		return divideDecimal(a, b)
	case "%":
		if b.IsZero() {
			return nil, divisionByZero()
		}
		_, err = decimals.Rem(&d, a, b)
	case "^":
		return powerDecimal(a, b)
	}
	if err != nil {
		return nil, numericError(err)
	}
	return &d, nil
}

// divideDecimal gives the quotient with the scale that PostgreSQL chooses: at least 16 significant digits, counted in
// groups of four, and never fewer behind the point than the operands have (select_div_scale in its numeric.c).
func divideDecimal(a, b *apd.Decimal) (any, error) {
	if a.Form == apd.NaN || b.Form == apd.NaN {
		return &apd.Decimal{Form: apd.NaN}, nil
	}
	if b.IsZero() {
		return nil, divisionByZero()
	}
	wa, fa := firstGroup(a)
	wb, fb := firstGroup(b)
	q := wa - wb
	if fa <= fb {
		q--
	}
	scale := max(int32(16-q*4), scaleOf(a), scaleOf(b), 0)
	scale = min(scale, 1000)
	var d apd.Decimal
	if _, err := decimals.Quo(&d, a, b); err != nil {
		return nil, numericError(err)
	}
	if d.Form == apd.Finite {
		if _, err := decimals.Quantize(&d, &d, -scale); err != nil {
			return nil, numericError(err)
		}
	}
	return &d, nil
}

// firstGroup gives the weight of the first group of four digits and its value.
func firstGroup(d *apd.Decimal) (weight, first int) {
	if d.IsZero() || d.Form != apd.Finite {
		return 0, 0
	}
	digits := d.Coeff.String()
	point := len(digits) + int(d.Exponent) // digits before the point; may be negative
	weight = (point - 1) / 4
	if point-1 < 0 {
		weight = -((-(point - 1) + 3) / 4)
	}
	n := point - weight*4 // digits in the first group
	for len(digits) < n {
		digits += "0"
	}
	for _, c := range digits[:max(0, min(n, len(digits)))] {
		first = first*10 + int(c-'0')
	}
	return weight, first
}

func powerDecimal(a, b *apd.Decimal) (any, error) {
	if a.IsZero() && b.Negative {
		return nil, types.Errorf("2201F", "zero raised to a negative power is undefined")
	}
	c := decimals
	c.Precision = 60
	var d apd.Decimal
	if _, err := c.Pow(&d, a, b); err != nil {
		return nil, numericError(err)
	}
	if d.Form == apd.Finite {
		lead := int32(d.NumDigits()) + d.Exponent
		scale := max(16-max(lead-1, 0)/4*4, scaleOf(a), scaleOf(b), 0)
		if _, err := decimals.Quantize(&d, &d, -scale); err != nil {
			return nil, numericError(err)
		}
	}
	return &d, nil
}

// compareOp answers a comparison.
func compareOp(op string, t types.Type, l, r any) (any, error) {
	c, err := compareValues(t, l, r)
	if err != nil {
		return nil, err
	}
	switch op {
	case "=":
		return c == 0, nil
	case "<>":
		return c != 0, nil
	case "<":
		return c < 0, nil
	case "<=":
		return c <= 0, nil
	case ">":
		return c > 0, nil
	}
	return c >= 0, nil
}

// compareValues orders two values that are not NULL as PostgreSQL does (texts by their bytes).
func compareValues(t types.Type, l, r any) (int, error) {
	switch a := l.(type) {
	case bool:
		if b, ok := r.(bool); ok {
			return cmp.Compare(pick(a, 1, 0), pick(b, 1, 0)), nil
		}
	case int64:
		switch b := r.(type) {
		case int64:
			return cmp.Compare(a, b), nil
		case *apd.Decimal:
			return apd.New(a, 0).Cmp(b), nil
		case float64:
			return compareFloat(float64(a), b), nil
		}
	case int32:
		if b, ok := r.(int32); ok {
			return cmp.Compare(a, b), nil
		}
	case float32:
		if b, ok := r.(float32); ok {
			return compareFloat(float64(a), float64(b)), nil
		}
	case float64:
		if b, ok := r.(float64); ok {
			return compareFloat(a, b), nil
		}
	case *apd.Decimal:
		switch b := r.(type) {
		case *apd.Decimal:
			return compareDecimal(a, b), nil
		case int64:
			return compareDecimal(a, apd.New(b, 0)), nil
		}
	case string:
		if b, ok := r.(string); ok {
			if t.OID == types.BpcharOID {
				return strings.Compare(strings.TrimRight(a, " "), strings.TrimRight(b, " ")), nil
			}
			return strings.Compare(a, b), nil
		}
	case []byte:
		if b, ok := r.([]byte); ok {
			return bytes.Compare(a, b), nil
		}
	case [16]byte:
		if b, ok := r.([16]byte); ok {
			return bytes.Compare(a[:], b[:]), nil
		}
	case types.Interval:
		if b, ok := r.(types.Interval); ok {
			return compareInterval(a, b), nil
		}
	case []float32:
		if b, ok := r.([]float32); ok {
			return compareVector(a, b), nil
		}
	case []any:
		if b, ok := r.([]any); ok {
			return compareArray(t, a, b)
		}
	}
	return 0, types.Errorf(types.CodeInternalError, "cannot compare values of Go types %T and %T", l, r)
}

// compareFloat puts NaN above all numbers and equal to itself.
func compareFloat(a, b float64) int {
	switch an, bn := math.IsNaN(a), math.IsNaN(b); {
	case an && bn:
		return 0
	case an:
		return 1
	case bn:
		return -1
	}
	return cmp.Compare(a, b)
}

func compareDecimal(a, b *apd.Decimal) int {
	switch an, bn := a.Form == apd.NaN, b.Form == apd.NaN; {
	case an && bn:
		return 0
	case an:
		return 1
	case bn:
		return -1
	}
	return a.Cmp(b)
}

// compareInterval counts a month as 30 days and a day as 24 hours.
func compareInterval(a, b types.Interval) int {
	const day = 24 * 3600 * 1000000
	days := func(i types.Interval) (int64, int64) {
		d := int64(i.Months)*30 + int64(i.Days) + i.Micros/day
		rest := i.Micros % day
		if rest < 0 {
			d, rest = d-1, rest+day
		}
		return d, rest
	}
	ad, ar := days(a)
	bd, br := days(b)
	if c := cmp.Compare(ad, bd); c != 0 {
		return c
	}
	return cmp.Compare(ar, br)
}

func compareVector(a, b []float32) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Compare(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareArray(t types.Type, a, b []any) (int, error) {
	e, _ := types.ElemOf(t)
	for i := range min(len(a), len(b)) {
		switch an, bn := a[i] == nil, b[i] == nil; {
		case an && bn:
			continue
		case an:
			return 1, nil
		case bn:
			return -1, nil
		}
		if c, err := compareValues(e, a[i], b[i]); c != 0 || err != nil {
			return c, err
		}
	}
	return cmp.Compare(len(a), len(b)), nil
}
