package types

import (
	"math"
	"strconv"
	"strings"
)

// parseInterval reads PostgreSQL's, SQL's and ISO 8601's forms.
func parseInterval(t Type, s string, st *Style) (any, error) {
	if err := CheckUTF8(s); err != nil {
		return nil, err
	}
	sp := &span{}
	err := sp.read(s, st)
	var iv Interval
	if err == nil {
		iv, err = sp.interval()
	}
	if err == errFieldRange {
		err = errIntervalRg
	}
	if err != nil {
		return nil, momentError(err, t, s)
	}
	return fitInterval(t, iv), nil
}

func (sp *span) read(s string, st *Style) error {
	if body := trimSpace(s); strings.HasPrefix(body, "P") {
		return sp.readISO(body[1:])
	}
	fields, err := scanFields(s)
	if err != nil {
		return err
	}
	if len(fields) == 0 {
		return errBadFormat
	}
	if st.IntervalStyle == IntervalSQLStandard {
		spreadSign(fields)
	}
	return sp.readFields(fields)
}

// spreadSign gives a leading minus to all fields when no other field has a sign, as the SQL standard has it.
func spreadSign(fields []field) {
	if fields[0].kind != fieldZone || fields[0].text[0] != '-' {
		return
	}
	for _, f := range fields[1:] {
		if f.text[0] == '-' || f.text[0] == '+' {
			return
		}
	}
	for i, f := range fields[1:] {
		if f.kind == fieldNumber || f.kind == fieldTime || f.kind == fieldDate {
			fields[i+1] = field{fieldZone, "-" + f.text}
		}
	}
}

// readFields works from the last field to the first, because a unit stands behind its number.
func (sp *span) readFields(fields []field) error {
	u := unitSecond // of the number to come
	seen := map[unit]bool{}
	ago, numbers := false, 0
	for i := len(fields) - 1; i >= 0; i-- {
		f := fields[i]
		if f.kind == fieldWord || f.kind == fieldSigned {
			next, ok := units[f.text]
			if !ok {
				return errBadFormat
			}
			ago = ago || next == unitAgo
			u = next
			continue
		}
		numbers++
		if err := sp.readField(f, &u, seen); err != nil {
			return err
		}
	}
	if numbers == 0 {
		return errBadFormat
	}
	if ago {
		return sp.negate()
	}
	return nil
}

// readField adds one number, time or year-month. u is the unit of a bare number: the one named behind it, or days
// before a time.
func (sp *span) readField(f field, u *unit, seen map[unit]bool) error {
	use := func(us ...unit) error {
		for _, x := range us {
			if seen[x] {
				return errBadFormat
			}
			seen[x] = true
		}
		return nil
	}
	negative := f.text[0] == '-'
	bare := strings.TrimLeft(f.text, "+-")
	if strings.Contains(bare, ":") {
		*u = unitDay
		if err := use(unitHour, unitMinute, unitSecond); err != nil {
			return err
		}
		return sp.readClock(bare, negative)
	}
	if years, months, ok := strings.Cut(bare, "-"); ok {
		*u = unitMonth
		if err := use(unitYear, unitMonth); err != nil {
			return err
		}
		return sp.readYearMonth(years, months, negative)
	}
	whole, fraction, err := splitNumber(bare, negative)
	if err != nil {
		return err
	}
	if err := use(*u); err != nil {
		return err
	}
	return sp.add(whole, fraction, *u)
}

// splitNumber reads a decimal number with an optional exponent as its whole part and its fraction, both signed.
func splitNumber(s string, negative bool) (whole int64, fraction float64, err error) {
	digits, frac, point := strings.Cut(s, ".")
	if digits == "" && frac == "" {
		return 0, 0, errBadFormat
	}
	if digits != "" {
		if negative {
			digits = "-" + digits
		}
		if whole, err = strconv.ParseInt(digits, 10, 64); err != nil {
			if isRange(err) {
				return 0, 0, errFieldRange
			}
			return 0, 0, errBadFormat
		}
	}
	if point && frac != "" {
		if strings.Trim(frac, "0123456789") != "" {
			return 0, 0, errBadFormat
		}
		fraction, _ = strconv.ParseFloat("0."+frac, 64)
		if negative {
			fraction = -fraction
		}
	}
	return whole, fraction, nil
}

// readClock reads "hh:mm", "hh:mm:ss[.fff]" and "mm:ss.fff".
func (sp *span) readClock(s string, negative bool) error {
	parts := strings.Split(s, ":")
	if len(parts) == 2 && strings.Contains(parts[1], ".") {
		parts = append([]string{"0"}, parts...)
	}
	if len(parts) > 3 {
		return errBadFormat
	}
	var n [3]int64
	fraction := 0.0
	for i, p := range parts {
		whole, frac, err := splitNumber(p, false)
		if err != nil {
			return err
		}
		if frac != 0 && i < 2 {
			return errBadFormat
		}
		n[i], fraction = whole, frac
	}
	if n[1] > 59 || n[2] > 60 {
		return errFieldRange
	}
	micros := int64(math.RoundToEven(fraction*1e6)) + (n[1]*60+n[2])*microsPerSecond
	if n[0] > (math.MaxInt64-micros)/microsPerHour {
		return errFieldRange
	}
	micros += n[0] * microsPerHour
	if negative {
		micros = -micros
	}
	return sp.addMicros(micros)
}

func (sp *span) readYearMonth(years, months string, negative bool) error {
	y, err1 := strconv.ParseInt(years, 10, 32)
	m, err2 := strconv.ParseInt(months, 10, 32)
	if err1 != nil || err2 != nil {
		return errBadFormat
	}
	if m < 0 || m > 11 {
		return errFieldRange
	}
	if negative {
		y, m = -y, -m
	}
	if err := sp.addYears(y, 0, 1); err != nil {
		return err
	}
	return sp.addMonths(m, 0)
}

func (sp *span) negate() error {
	if sp.micros == math.MinInt64 {
		return errFieldRange
	}
	sp.months, sp.days, sp.micros = -sp.months, -sp.days, -sp.micros
	return nil
}

// readISO reads what follows the P of ISO 8601: "1Y2M3DT4H5M6S", "2W", or the alternative "0001-02-03T04:05:06".
func (sp *span) readISO(s string) error {
	if s == "" {
		return errBadFormat
	}
	clock := false
	for s != "" {
		if s[0] == 'T' {
			if clock {
				return errBadFormat
			}
			clock, s = true, s[1:]
			continue
		}
		end := skip(s, 0, func(c byte) bool { return isDigit(c) || c == '.' || c == '-' || c == '+' })
		if end == 0 {
			return errBadFormat
		}
		if end == len(s) || strings.IndexByte("T:", s[end]) >= 0 || strings.Contains(s[1:end], "-") {
			return sp.readISOAlternative(s, clock)
		}
		number := s[:end]
		negative := number[0] == '-'
		whole, fraction, err := splitNumber(strings.TrimPrefix(strings.TrimPrefix(number, "-"), "+"), negative)
		if err != nil {
			return err
		}
		u, ok := isoUnit(s[end], clock)
		if !ok {
			return errBadFormat
		}
		if err := sp.add(whole, fraction, u); err != nil {
			return err
		}
		s = s[end+1:]
	}
	return nil
}

func isoUnit(c byte, clock bool) (unit, bool) {
	u := map[byte]unit{'Y': unitYear, 'M': unitMonth, 'W': unitWeek, 'D': unitDay}[c]
	if clock {
		u = map[byte]unit{'H': unitHour, 'M': unitMinute, 'S': unitSecond}[c]
	}
	return u, u != 0
}

// readISOAlternative reads "yyyy-mm-dd" and "hh:mm:ss", each shortened from the end at will.
func (sp *span) readISOAlternative(s string, clock bool) error {
	date, rest := s, ""
	if clock {
		date, rest = "", s
	} else {
		date, rest, _ = strings.Cut(s, "T")
	}
	if date != "" {
		if err := sp.readISOParts(date, "-", unitYear, unitMonth, unitDay); err != nil {
			return err
		}
	}
	if rest != "" {
		return sp.readISOParts(rest, ":", unitHour, unitMinute, unitSecond)
	}
	return nil
}

func (sp *span) readISOParts(s, sep string, us ...unit) error {
	negative := strings.HasPrefix(s, "-")
	parts := strings.Split(strings.TrimLeft(s, "+-"), sep)
	if len(parts) > len(us) {
		return errBadFormat
	}
	for i, p := range parts {
		whole, fraction, err := splitNumber(p, negative && i == 0) // as PostgreSQL: the sign is the first part's
		if err != nil {
			return err
		}
		if err := sp.add(whole, fraction, us[i]); err != nil {
			return err
		}
	}
	return nil
}
