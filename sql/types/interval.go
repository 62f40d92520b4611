package types

import (
	"math"
	"strconv"
	"strings"
)

// fitInterval applies a modifier: it rounds the seconds to a precision.
func fitInterval(t Type, iv Interval) Interval {
	if t.Mod >= 0 {
		iv.Micros = roundMicros(iv.Micros, t.Mod&0xffff)
	}
	return iv
}

func appendInterval(dst []byte, iv Interval, style IntervalStyle) []byte {
	switch style {
	case IntervalISO8601:
		return appendISOInterval(dst, iv)
	case IntervalPostgresVerbose:
		return appendVerboseInterval(dst, iv)
	case IntervalSQLStandard:
		return appendStandardInterval(dst, iv)
	}
	start, negative := len(dst), false
	part := func(n int64, unit string) {
		if n == 0 {
			return
		}
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		if negative && n > 0 {
			dst = append(dst, '+')
		}
		dst = append(strconv.AppendInt(dst, n, 10), unit...)
		if n != 1 {
			dst = append(dst, 's')
		}
		negative = n < 0
	}
	part(int64(iv.Months/12), " year")
	part(int64(iv.Months%12), " mon")
	part(int64(iv.Days), " day")
	if iv.Micros != 0 || len(dst) == start {
		if len(dst) > start {
			dst = append(dst, ' ')
		}
		if iv.Micros >= 0 && negative {
			dst = append(dst, '+')
		}
		dst = appendSignedClock(dst, iv.Micros, 2)
	}
	return dst
}

// clockParts takes a span apart; the sign is apart because math.MinInt64 has no positive twin.
func clockParts(micros int64) (negative bool, hours, minutes, seconds, fraction uint64) {
	u := uint64(micros)
	if micros < 0 {
		negative, u = true, -u
	}
	return negative, u / uint64(microsPerHour), u / 60e6 % 60, u / 1e6 % 60, u % 1e6
}

func appendSignedClock(dst []byte, micros int64, hourWidth int) []byte {
	negative, h, m, s, f := clockParts(micros)
	if negative {
		dst = append(dst, '-')
	}
	dst = appendPadded(dst, int64(h), hourWidth)
	dst = appendPadded(append(dst, ':'), int64(m), 2)
	dst = appendPadded(append(dst, ':'), int64(s), 2)
	return appendFraction(dst, int64(f))
}

// appendSeconds prints seconds with their fraction and no padding.
func appendSeconds(dst []byte, seconds, fraction uint64) []byte {
	return appendFraction(strconv.AppendUint(dst, seconds, 10), int64(fraction))
}

func appendISOInterval(dst []byte, iv Interval) []byte {
	if iv == (Interval{}) {
		return append(dst, "PT0S"...)
	}
	part := func(n int64, unit byte) {
		if n != 0 {
			dst = append(strconv.AppendInt(dst, n, 10), unit)
		}
	}
	dst = append(dst, 'P')
	part(int64(iv.Months/12), 'Y')
	part(int64(iv.Months%12), 'M')
	part(int64(iv.Days), 'D')
	if iv.Micros == 0 {
		return dst
	}
	dst = append(dst, 'T')
	negative, h, m, s, f := clockParts(iv.Micros)
	sign := int64(1)
	if negative {
		sign = -1
	}
	part(sign*int64(h), 'H')
	part(sign*int64(m), 'M')
	if s != 0 || f != 0 {
		if negative {
			dst = append(dst, '-')
		}
		dst = append(appendSeconds(dst, s, f), 'S')
	}
	return dst
}

func appendVerboseInterval(dst []byte, iv Interval) []byte {
	dst = append(dst, '@')
	zero, ago := true, false
	part := func(n int64, unit string) {
		if n == 0 {
			return
		}
		if zero && n < 0 {
			ago = true
		}
		if ago {
			n = -n
		}
		zero = false
		dst = strconv.AppendInt(append(dst, ' '), n, 10)
		dst = append(append(dst, ' '), unit...)
		if n != 1 {
			dst = append(dst, 's')
		}
	}
	part(int64(iv.Months/12), "year")
	part(int64(iv.Months%12), "mon")
	part(int64(iv.Days), "day")
	negative, h, m, s, f := clockParts(iv.Micros)
	sign := int64(1)
	if negative {
		sign = -1
	}
	part(sign*int64(h), "hour")
	part(sign*int64(m), "min")
	if s != 0 || f != 0 {
		if zero && negative {
			ago = true
		}
		dst = append(dst, ' ')
		if negative != ago {
			dst = append(dst, '-')
		}
		dst = append(appendSeconds(dst, s, f), " sec"...)
		if s != 1 || f != 0 {
			dst = append(dst, 's')
		}
		zero = false
	}
	if zero {
		dst = append(dst, " 0"...)
	}
	if ago {
		dst = append(dst, " ago"...)
	}
	return dst
}

// appendStandardInterval prints SQL's year-month or day-time literal; what is neither gets a sign on each part.
func appendStandardInterval(dst []byte, iv Interval) []byte {
	years, months := int64(iv.Months/12), int64(iv.Months%12)
	days := int64(iv.Days)
	hasNegative := iv.Months < 0 || days < 0 || iv.Micros < 0
	hasPositive := iv.Months > 0 || days > 0 || iv.Micros > 0
	hasMonths, hasDay := iv.Months != 0, days != 0 || iv.Micros != 0
	signed := func(negative bool) {
		if negative {
			dst = append(dst, '-')
		} else {
			dst = append(dst, '+')
		}
	}
	switch {
	case !hasNegative && !hasPositive:
		return append(dst, '0')
	case hasNegative && hasPositive || hasMonths && hasDay: // needs a sign on every part
		signed(iv.Months < 0)
		dst = strconv.AppendInt(dst, max(years, -years), 10)
		dst = strconv.AppendInt(append(dst, '-'), max(months, -months), 10)
		dst = append(dst, ' ')
		signed(days < 0)
		dst = strconv.AppendInt(dst, max(days, -days), 10)
		dst = append(dst, ' ')
		if iv.Micros >= 0 {
			dst = append(dst, '+')
		}
		return appendSignedClock(dst, iv.Micros, 1)
	}
	if hasNegative {
		dst = append(dst, '-')
	}
	clock := func() {
		_, h, m, s, f := clockParts(iv.Micros)
		dst = strconv.AppendUint(dst, h, 10)
		dst = appendPadded(append(dst, ':'), int64(m), 2)
		dst = appendPadded(append(dst, ':'), int64(s), 2)
		dst = appendFraction(dst, int64(f))
	}
	switch {
	case hasMonths:
		dst = strconv.AppendInt(dst, max(years, -years), 10)
		dst = strconv.AppendInt(append(dst, '-'), max(months, -months), 10)
	case days != 0:
		dst = strconv.AppendInt(dst, max(days, -days), 10)
		dst = append(dst, ' ')
		clock()
	default:
		clock()
	}
	return dst
}

// span gathers an interval; every addition is checked.
type span struct {
	months, days, micros int64
}

func (sp *span) interval() (Interval, error) {
	if sp.months != int64(int32(sp.months)) || sp.days != int64(int32(sp.days)) {
		return Interval{}, errFieldRange
	}
	return Interval{Months: int32(sp.months), Days: int32(sp.days), Micros: sp.micros}, nil
}

func (sp *span) addMicros(n int64) error {
	sum := sp.micros + n
	if (sum > sp.micros) != (n > 0) && n != 0 {
		return errFieldRange
	}
	sp.micros = sum
	return nil
}

// addScaled adds whole units and a fraction of one, in microseconds.
func (sp *span) addScaled(whole int64, fraction float64, unit int64) error {
	if whole > math.MaxInt64/unit || whole < math.MinInt64/unit {
		return errFieldRange
	}
	if err := sp.addMicros(whole * unit); err != nil {
		return err
	}
	return sp.addMicros(int64(math.RoundToEven(fraction * float64(unit))))
}

// addDays adds days; a fraction of a day becomes time.
func (sp *span) addDays(whole int64, fraction float64, scale int64) error {
	if whole > math.MaxInt32 || whole < math.MinInt32 {
		return errFieldRange
	}
	fraction *= float64(scale)
	extra := int64(fraction)
	sp.days += whole*scale + extra
	if sp.days != int64(int32(sp.days)) {
		return errFieldRange
	}
	return sp.addMicros(int64(math.RoundToEven((fraction - float64(extra)) * float64(microsPerDay))))
}

func (sp *span) addYears(whole int64, fraction float64, scale int64) error {
	if whole > math.MaxInt32 || whole < math.MinInt32 {
		return errFieldRange
	}
	sp.months += whole*scale*12 + int64(math.RoundToEven(fraction*float64(scale)*12))
	if sp.months != int64(int32(sp.months)) {
		return errFieldRange
	}
	return nil
}

func (sp *span) addMonths(whole int64, fraction float64) error {
	if sp.months += whole; sp.months != int64(int32(sp.months)) {
		return errFieldRange
	}
	return sp.addDays(0, fraction, 30)
}

type unit uint8

const (
	unitMicrosecond unit = iota + 1
	unitMillisecond
	unitSecond
	unitMinute
	unitHour
	unitDay
	unitWeek
	unitMonth
	unitYear
	unitDecade
	unitCentury
	unitMillennium
	unitAgo
)

var units = func() map[string]unit {
	m := map[string]unit{}
	for u, names := range map[unit]string{
		unitMicrosecond: "us usec usecs usecond useconds microsecon microsecond microseconds",
		unitMillisecond: "ms msec msecs mseconds msecond millisecon millisecond milliseconds",
		unitSecond:      "s sec secs second seconds", unitMinute: "m min mins minute minutes",
		unitHour: "h hr hrs hour hours", unitDay: "d day days", unitWeek: "w week weeks",
		unitMonth: "mon mons month months", unitYear: "y yr yrs year years", unitDecade: "dec decs decade decades",
		unitCentury: "c cent century centuries", unitMillennium: "mil mils millennia millennium", unitAgo: "ago",
	} {
		for name := range strings.FieldsSeq(names) {
			m[name] = u
		}
	}
	return m
}()

// add adds an amount of a unit.
func (sp *span) add(whole int64, fraction float64, u unit) error {
	switch u {
	case unitMicrosecond:
		return sp.addMicros(whole + int64(math.RoundToEven(fraction)))
	case unitMillisecond:
		return sp.addScaled(whole, fraction, 1000)
	case unitSecond:
		return sp.addScaled(whole, fraction, microsPerSecond)
	case unitMinute:
		return sp.addScaled(whole, fraction, 60*microsPerSecond)
	case unitHour:
		return sp.addScaled(whole, fraction, microsPerHour)
	case unitDay:
		return sp.addDays(whole, fraction, 1)
	case unitWeek:
		return sp.addDays(whole, fraction, 7)
	case unitMonth:
		return sp.addMonths(whole, fraction)
	case unitYear:
		return sp.addYears(whole, fraction, 1)
	case unitDecade:
		return sp.addYears(whole, fraction, 10)
	case unitCentury:
		return sp.addYears(whole, fraction, 100)
	case unitMillennium:
		return sp.addYears(whole, fraction, 1000)
	}
	return errBadFormat
}
