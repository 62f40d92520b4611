package row

import (
	"math"
	"strconv"
	"time"
)

// PostgreSQL's ranges, counted from 1970. Years run from 4713 BC to 5874897 for dates and to 294276 for timestamps; the largest
// timestamps stop short of the value that stands for infinity.
const (
	minDate = -2440588 // 4714-11-24 BC in the proleptic Gregorian calendar, Julian day 0
	maxDate = 2147483493 - 2440588
	minTime = -210866803200000000
	maxTime = math.MaxInt64 - 1
	day     = 24 * 60 * 60 * 1000000 // microseconds
)

// The infinities of date, timestamp and timestamptz.
const (
	DateInfinity           int32 = math.MaxInt32
	DateMinusInfinity      int32 = -math.MaxInt32
	TimestampInfinity      int64 = math.MaxInt64
	TimestampMinusInfinity int64 = -math.MaxInt64
)

// toTime handles the date and time kinds.
func toTime(t Type, v any) (any, bool, error) {
	switch x := v.(type) {
	case Interval:
		return x, t.Kind == IntervalK, nil
	case time.Duration:
		switch t.Kind {
		case IntervalK:
			return Interval{Micros: x.Microseconds()}, true, nil
		case Time:
			return checkTime(t, x.Microseconds())
		}
	case time.Time:
		return fromTime(t, x)
	case int32:
		return checkTime(t, int64(x))
	case int:
		return checkTime(t, int64(x))
	case int64:
		return checkTime(t, x)
	}
	return nil, false, nil
}

func fromTime(t Type, x time.Time) (any, bool, error) {
	_, offset := x.Zone()
	local := x.Unix() + int64(offset)
	switch t.Kind {
	case Date:
		days := local / 86400
		if local%86400 < 0 {
			days--
		}
		if days < minDate || days > maxDate {
			return nil, true, &RangeError{Type: t, Value: x.String()}
		}
		return int32(days), true, nil
	case Time:
		return checkTime(t, (local%86400+86400)%86400*1000000+int64(x.Nanosecond()/1000))
	case Timestamp, Timestamptz:
		seconds := local
		if t.Kind == Timestamptz {
			seconds = x.Unix()
		}
		if seconds < minTime/1000000 || seconds >= maxTime/1000000 {
			return nil, true, &RangeError{Type: t, Value: x.String()}
		}
		return seconds*1000000 + int64(x.Nanosecond()/1000), true, nil
	}
	return nil, false, nil
}

// checkTime checks a count of days or microseconds.
func checkTime(t Type, x int64) (any, bool, error) {
	ok := false
	switch t.Kind {
	case Date:
		if ok = (x >= minDate && x <= maxDate) || x == int64(DateInfinity) || x == int64(DateMinusInfinity); ok {
			return int32(x), true, nil
		}
	case Time:
		ok = x >= 0 && x <= day
	case Timestamp, Timestamptz:
		ok = x >= minTime || x == TimestampMinusInfinity
	default:
		return nil, false, nil
	}
	if !ok {
		return nil, true, &RangeError{Type: t, Value: strconv.FormatInt(x, 10)}
	}
	return x, true, nil
}
