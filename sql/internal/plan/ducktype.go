package plan

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"

	"engram/sql/types"
)

// wideDecimal is DuckDB's type for a numeric without precision and scale: 22 digits before the point, 16 behind it, which
// is the scale that PostgreSQL itself gives to quotients of usual size. Values that do not fit are an error.
const wideDecimal = "DECIMAL(38, 16)"

var duckNames = map[uint32]string{
	types.BoolOID: "BOOLEAN", types.Int2OID: "SMALLINT", types.Int4OID: "INTEGER", types.Int8OID: "BIGINT",
	types.Float4OID: "FLOAT", types.Float8OID: "DOUBLE", types.ByteaOID: "BLOB", types.UUIDOID: "UUID",
	types.DateOID: "DATE", types.TimeOID: "TIME", types.TimestampOID: "TIMESTAMP", types.TimestamptzOID: "TIMESTAMPTZ",
	types.IntervalOID: "INTERVAL", types.TimetzOID: "TIMETZ", types.VectorOID: "FLOAT[]", types.HalfvecOID: "FLOAT[]",
	types.OidOID: "BIGINT", types.XidOID: "BIGINT", types.CidOID: "BIGINT", types.RegclassOID: "BIGINT", types.RegtypeOID: "BIGINT",
	types.RegprocOID: "BIGINT", types.RegprocedureOID: "BIGINT", types.RegoperOID: "BIGINT", types.RegoperatorOID: "BIGINT",
	types.RegnamespaceOID: "BIGINT", types.RegroleOID: "BIGINT", types.RegcollationOID: "BIGINT", types.RegconfigOID: "BIGINT",
	types.RegdictionaryOID: "BIGINT", types.Xid8OID: "BIGINT", types.Int2VectorOID: "SMALLINT[]", types.OidVectorOID: "BIGINT[]",
}

// duckType spells the DuckDB type that carries values of a PostgreSQL type; "" when there is none that fits. JSON travels
// as VARCHAR: its text is ours to normalise.
func duckType(t types.Type) string {
	if t.IsArray() {
		e, _ := types.ElemOf(t)
		if d := duckType(e); d != "" {
			return d + "[]"
		}
		return ""
	}
	if t.OID == types.NumericOID {
		if t.Mod < 4 {
			return wideDecimal
		}
		p, s := types.NumericPrecision(t.Mod)
		if p > 38 || s < 0 || s > p {
			return wideDecimal
		}
		return fmt.Sprintf("DECIMAL(%d, %d)", p, s)
	}
	if d, ok := duckNames[t.OID]; ok {
		return d
	}
	if t.OID == types.RecordOID || t.OID == 0 || t.OID == types.UnknownOID {
		return ""
	}
	return "VARCHAR" // text and its kin, name, "char", bits as text of 0 and 1, json, and all that the catalog shows as text
}

// literal prints a constant.
func (p *printer) literal(t types.Type, v any) {
	if v == nil {
		if d := duckType(t); d != "" && t.OID != types.UnknownOID {
			p.str("CAST(NULL AS ", d, ")")
			return
		}
		p.str("NULL")
		return
	}
	if s, ok := literalText(t, v); ok {
		p.str(s)
		return
	}
	if list, ok := v.([]any); ok {
		p.listLiteral(t, list)
		return
	}
	p.str(quote(fmt.Sprint(v)))
}

func (p *printer) listLiteral(t types.Type, list []any) {
	e, _ := types.ElemOf(t)
	p.str("CAST([")
	for i, x := range list {
		if i > 0 {
			p.str(", ")
		}
		p.literal(e, x)
	}
	p.str("] AS ", pick(duckType(t) == "", "VARCHAR[]", duckType(t)), ")")
}

func literalText(t types.Type, v any) (string, bool) {
	switch x := v.(type) {
	case bool:
		return strings.ToUpper(strconv.FormatBool(x)), true
	case int64:
		return intLiteral(t, x), true
	case int32: // date
		return dateLiteral(x), true
	case float32:
		return floatLiteral(float64(x), 32, "FLOAT"), true
	case float64:
		return floatLiteral(x, 64, "DOUBLE"), true
	case *apd.Decimal:
		return decimalLiteral(t, x), true
	case string:
		return quote(x), true
	case []byte:
		return "unhex('" + hex.EncodeToString(x) + "')", true
	case [16]byte:
		return fmt.Sprintf("CAST('%x-%x-%x-%x-%x' AS UUID)", x[:4], x[4:6], x[6:8], x[8:10], x[10:]), true
	case types.Interval:
		return fmt.Sprintf("CAST('%d months %d days %d microseconds' AS INTERVAL)", x.Months, x.Days, x.Micros), true
	case []float32:
		var b strings.Builder
		b.WriteString("CAST([")
		for i, f := range x {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(strconv.FormatFloat(float64(f), 'g', -1, 32))
		}
		b.WriteString("] AS FLOAT[])")
		return b.String(), true
	}
	return "", false
}

func intLiteral(t types.Type, x int64) string {
	switch t.OID {
	case types.TimeOID:
		return "CAST('" + time.UnixMicro(x).UTC().Format("15:04:05.000000") + "' AS TIME)"
	case types.TimestampOID:
		return "CAST('" + momentText(x) + "' AS TIMESTAMP)"
	case types.TimestamptzOID:
		return "CAST('" + momentText(x) + pick(infinite(x), "", "+00") + "' AS TIMESTAMPTZ)"
	case types.Int4OID:
		if x == math.MinInt32 {
			return "CAST(-2147483648 AS INTEGER)"
		}
		return pick(x < 0, "("+strconv.FormatInt(x, 10)+")", strconv.FormatInt(x, 10))
	}
	s := strconv.FormatInt(x, 10)
	if d := duckType(t); d == "SMALLINT" || d == "BIGINT" {
		return "CAST(" + s + " AS " + d + ")"
	}
	return s
}

func infinite(x int64) bool { return x == math.MaxInt64 || x == -math.MaxInt64 }

// momentText prints microseconds since 1970 as DuckDB reads them.
func momentText(x int64) string {
	switch x {
	case math.MaxInt64:
		return "infinity"
	case -math.MaxInt64:
		return "-infinity"
	}
	u := time.UnixMicro(x).UTC()
	if y := u.Year(); y <= 0 {
		return fmt.Sprintf("%04d-%02d-%02d %s (BC)", 1-y, u.Month(), u.Day(), u.Format("15:04:05.000000"))
	}
	return u.Format("2006-01-02 15:04:05.000000")
}

func dateLiteral(x int32) string {
	switch x {
	case math.MaxInt32:
		return "CAST('infinity' AS DATE)"
	case -math.MaxInt32:
		return "CAST('-infinity' AS DATE)"
	}
	u := time.Unix(int64(x)*86400, 0).UTC()
	if y := u.Year(); y <= 0 {
		return fmt.Sprintf("CAST('%04d-%02d-%02d (BC)' AS DATE)", 1-y, u.Month(), u.Day())
	}
	return "CAST('" + u.Format("2006-01-02") + "' AS DATE)"
}

func floatLiteral(x float64, bits int, typ string) string {
	switch {
	case math.IsNaN(x):
		return "CAST('nan' AS " + typ + ")"
	case math.IsInf(x, 1):
		return "CAST('inf' AS " + typ + ")"
	case math.IsInf(x, -1):
		return "CAST('-inf' AS " + typ + ")"
	}
	return "CAST(" + strconv.FormatFloat(x, 'g', -1, bits) + " AS " + typ + ")"
}

// decimalLiteral prints a numeric so that DuckDB keeps its digits: it types the literal by them. A modifier or more
// digits than DuckDB has make it a cast, which then decides.
func decimalLiteral(t types.Type, d *apd.Decimal) string {
	if d.Form != apd.Finite {
		return "CAST('" + strings.ToLower(d.String()) + "' AS DECIMAL(38, 16))" // an error: DuckDB has no such decimal
	}
	s := d.Text('f')
	digits := len(strings.TrimLeft(strings.NewReplacer("-", "", ".", "").Replace(s), "0"))
	if t.Mod >= 4 || digits > 38 {
		return "CAST('" + s + "' AS " + duckType(t) + ")"
	}
	_, frac, _ := strings.Cut(s, ".")
	width := max(digits, len(frac)+1)
	if width > 38 {
		return "CAST('" + s + "' AS " + wideDecimal + ")"
	}
	return fmt.Sprintf("CAST('%s' AS DECIMAL(%d, %d))", s, width, len(frac))
}
