package types

import (
	"encoding/binary"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	microsPerSecond = int64(1_000_000)
	microsPerHour   = 3600 * microsPerSecond
	microsPerDay    = 24 * microsPerHour

	// epochDays and epochMicros lie between 1970-01-01 and PostgreSQL's epoch, 2000-01-01.
	epochDays   = 10957
	epochMicros = epochDays * microsPerDay

	// The first day that PostgreSQL knows, 4713-11-24 BC, and the day after the last date, 5874897-12-31.
	minDay = -2440588
	endDay = 2147483494 - 2440588

	dateInfinity = math.MaxInt32
	infinity     = math.MaxInt64
)

// daysOf counts days from 1970-01-01 to a date of the proleptic Gregorian calendar; year 0 is 1 BC.
// Eras of 400 years, years beginning in March: Howard Hinnant, "chrono-compatible low-level date algorithms".
func daysOf(year, month, day int64) int64 {
	if month <= 2 {
		year--
	}
	era := year / 400
	if year < 0 {
		era = (year - 399) / 400
	}
	yoe := year - era*400
	doy := (153*((month+9)%12)+2)/5 + day - 1
	return era*146097 + yoe*365 + yoe/4 - yoe/100 + doy - 719468
}

// dateOf is the inverse of daysOf.
func dateOf(days int64) (year, month, day int64) {
	days += 719468
	era := days / 146097
	if days < 0 {
		era = (days - 146096) / 146097
	}
	doe := days - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	month = mp + 3
	if mp >= 10 {
		month = mp - 9
	}
	year = yoe + era*400
	if month <= 2 {
		year++
	}
	return year, month, doy - (153*mp+2)/5 + 1
}

// floorDivMod divides rounding down.
func floorDivMod(a, b int64) (q, r int64) {
	q, r = a/b, a%b
	if r < 0 {
		q, r = q-1, r+b
	}
	return q, r
}

func appendPadded(dst []byte, n int64, width int) []byte {
	for limit := int64(10); width > 1; width-- {
		if n < limit {
			for range width - 1 {
				dst = append(dst, '0')
			}
			break
		}
		limit *= 10
	}
	return strconv.AppendInt(dst, n, 10)
}

// appendClock prints "hh:mm:ss[.ffffff]".
func appendClock(dst []byte, micros int64) []byte {
	dst = appendPadded(dst, micros/microsPerHour, 2)
	dst = appendPadded(append(dst, ':'), micros/(60*microsPerSecond)%60, 2)
	dst = appendPadded(append(dst, ':'), micros/microsPerSecond%60, 2)
	return appendFraction(dst, micros%microsPerSecond)
}

// appendFraction prints microseconds as ".ffffff" without trailing zeros.
func appendFraction(dst []byte, micros int64) []byte {
	if micros == 0 {
		return dst
	}
	start := len(dst)
	dst = appendPadded(append(dst, '.'), micros, 6)
	return dst[:start+len(trimZeros(dst[start:]))]
}

// appendMoment prints dates, times and intervals.
func appendMoment(dst []byte, t Type, v any, st *Style) ([]byte, bool) {
	switch t.OID {
	case DateOID:
		if days, ok := v.(int32); ok {
			return appendDate(dst, days, st), true
		}
	case TimeOID:
		if micros, ok := asInt(v); ok {
			return appendClock(dst, micros), true
		}
	case TimetzOID:
		if x, ok := v.(TimeTZ); ok {
			return appendOffset(appendClock(dst, x.Micros), int(x.Offset)), true
		}
	case TimestampOID, TimestamptzOID:
		if micros, ok := v.(int64); ok {
			return appendTimestamp(dst, micros, t.OID == TimestamptzOID, st), true
		}
	case IntervalOID:
		if x, ok := v.(Interval); ok {
			return appendInterval(dst, x, st.IntervalStyle), true
		}
	}
	return nil, false
}

func appendDate(dst []byte, days int32, st *Style) []byte {
	switch days {
	case dateInfinity:
		return append(dst, "infinity"...)
	case -dateInfinity:
		return append(dst, "-infinity"...)
	}
	year, month, day := dateOf(int64(days))
	dst, bc := appendYMD(dst, year, month, day, st, '-')
	return append(dst, bc...)
}

// appendYMD prints a date in the style's order; bc is what must stand at the very end. sep is what the Postgres
// style puts between numbers.
func appendYMD(dst []byte, year, month, day int64, st *Style, sep byte) (out []byte, bc string) {
	if year <= 0 {
		year, bc = 1-year, " BC"
	}
	if st.DateFormat == DateISO {
		dst = appendPadded(dst, year, 4)
		dst = appendPadded(append(dst, '-'), month, 2)
		return appendPadded(append(dst, '-'), day, 2), bc
	}
	first, second := month, day
	switch st.DateFormat {
	case DateSQL:
		sep = '/'
	case DateGerman:
		sep = '.'
	}
	if st.DateOrder == OrderDMY || st.DateFormat == DateGerman {
		first, second = day, month
	}
	dst = appendPadded(dst, first, 2)
	dst = appendPadded(append(dst, sep), second, 2)
	return appendPadded(append(dst, sep), year, 4), bc
}

func appendTimestamp(dst []byte, micros int64, zoned bool, st *Style) []byte {
	switch micros {
	case infinity:
		return append(dst, "infinity"...)
	case -infinity:
		return append(dst, "-infinity"...)
	}
	seconds, fraction := floorDivMod(micros, microsPerSecond)
	offset, zone := 0, ""
	if zoned {
		if loc := st.zone(); loc == time.UTC {
			zone = "UTC"
		} else {
			zone, offset = time.Unix(seconds, 0).In(loc).Zone()
		}
		seconds += int64(offset)
	}
	days, second := floorDivMod(seconds, 86400)
	year, month, day := dateOf(days)
	clock := second*microsPerSecond + fraction
	var bc string
	if st.DateFormat == DatePostgres {
		dst, bc = appendLongTimestamp(dst, days, clock, st)
	} else {
		dst, bc = appendYMD(dst, year, month, day, st, '-')
		dst = appendClock(append(dst, ' '), clock)
	}
	switch {
	case !zoned:
	case st.DateFormat == DateISO:
		dst = appendOffset(dst, offset)
	default:
		dst = append(append(dst, ' '), strings.TrimPrefix(strings.SplitN(zone, ">", 2)[0], "<")...)
	}
	return append(dst, bc...)
}

// appendLongTimestamp prints "Wed Dec 17 07:37:16 1997".
func appendLongTimestamp(dst []byte, days, clock int64, st *Style) ([]byte, string) {
	year, month, day := dateOf(days)
	_, weekday := floorDivMod(days+4, 7)
	bc := ""
	if year <= 0 {
		year, bc = 1-year, " BC"
	}
	dst = append(append(dst, time.Weekday(weekday).String()[:3]...), ' ')
	name := time.Month(month).String()[:3]
	if st.DateOrder == OrderDMY {
		dst = append(append(appendPadded(dst, day, 2), ' '), name...)
	} else {
		dst = appendPadded(append(append(dst, name...), ' '), day, 2)
	}
	dst = appendClock(append(dst, ' '), clock)
	return appendPadded(append(dst, ' '), year, 4), bc
}

func appendMomentBinary(dst []byte, t Type, v any) ([]byte, bool) {
	switch x := v.(type) {
	case int32:
		if t.OID != DateOID {
			return nil, false
		}
		switch x {
		case dateInfinity:
		case -dateInfinity:
			x = math.MinInt32
		default:
			x -= epochDays
		}
		return binary.BigEndian.AppendUint32(dst, uint32(x)), true
	case int64:
		switch {
		case t.OID == TimeOID:
		case t.OID != TimestampOID && t.OID != TimestamptzOID:
			return nil, false
		case x == infinity:
		case x == -infinity:
			x = math.MinInt64
		default:
			x -= epochMicros
		}
		return binary.BigEndian.AppendUint64(dst, uint64(x)), true
	case TimeTZ:
		dst = binary.BigEndian.AppendUint64(dst, uint64(x.Micros))
		return binary.BigEndian.AppendUint32(dst, uint32(-x.Offset)), t.OID == TimetzOID
	case Interval:
		dst = binary.BigEndian.AppendUint64(dst, uint64(x.Micros))
		dst = binary.BigEndian.AppendUint32(dst, uint32(x.Days))
		return binary.BigEndian.AppendUint32(dst, uint32(x.Months)), t.OID == IntervalOID
	}
	return nil, false
}

func parseMomentBinary(t Type, b []byte) (any, error) {
	if size := fixedSize(t); len(b) != size {
		return nil, badLength(b, size)
	}
	if t.OID == DateOID {
		days := int64(int32(binary.BigEndian.Uint32(b)))
		switch days {
		case math.MaxInt32:
			return int32(dateInfinity), nil
		case math.MinInt32:
			return int32(-dateInfinity), nil
		}
		return checkDate(days+epochDays, Errorf(CodeDatetimeFieldOverflow, "date out of range"))
	}
	n := int64(binary.BigEndian.Uint64(b))
	switch t.OID {
	case TimeOID, TimetzOID:
		if n < 0 || n > microsPerDay {
			return nil, Errorf(CodeDatetimeFieldOverflow, "time out of range")
		}
		if t.OID == TimeOID {
			return roundMicros(n, t.Mod), nil
		}
		west := int32(binary.BigEndian.Uint32(b[8:]))
		if west <= -16*3600 || west >= 16*3600 {
			return nil, Errorf(CodeInvalidTimeZoneDisplacement, "time zone displacement out of range")
		}
		return TimeTZ{roundMicros(n, t.Mod), -west}, nil
	case IntervalOID:
		return fitInterval(t, Interval{Micros: n, Days: int32(binary.BigEndian.Uint32(b[8:])), Months: int32(binary.BigEndian.Uint32(b[12:]))}), nil
	}
	switch n {
	case math.MaxInt64:
		return int64(infinity), nil
	case math.MinInt64:
		return int64(-infinity), nil
	}
	return checkTimestamp(roundMicros(n, t.Mod), Errorf(CodeDatetimeFieldOverflow, "timestamp out of range"))
}

// checkDate bounds days since 1970 to those that PostgreSQL knows.
func checkDate(days int64, outside *Error) (any, error) {
	if days < minDay || days >= endDay {
		return nil, outside
	}
	return int32(days), nil
}

// checkTimestamp takes microseconds since 2000 and gives them since 1970, within PostgreSQL's first day and what 64
// bits hold: the years after 294246 do not fit.
func checkTimestamp(micros int64, outside *Error) (any, error) {
	if micros < (minDay-epochDays)*microsPerDay || micros >= infinity-epochMicros {
		return nil, outside
	}
	return micros + epochMicros, nil
}

var powersOfTen = [...]int64{1_000_000, 100_000, 10_000, 1000, 100, 10, 1}

// roundMicros rounds half away from zero to a precision of 0 to 5 digits; others leave n as it is.
func roundMicros(n int64, precision int32) int64 {
	if precision < 0 || precision >= 6 {
		return n
	}
	unit := powersOfTen[precision]
	half := unit / 2
	if n < 0 {
		half = -half
	}
	if sum := n + half; (sum < n) == (half < 0) {
		n = sum
	}
	return n / unit * unit
}
