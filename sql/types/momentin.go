package types

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// moment gathers what the fields of a date and time say.
type moment struct {
	year, month, day                      int64
	hasYear, hasMonth, hasDay             bool
	shortYear, textMonth, julian, bc      bool
	hour, minute, second, micros          int64
	hasTime, hasHalf, pm                  bool
	hasZone                               bool
	offset                                int            // when hasZone and loc is nil
	loc                                   *time.Location // a named zone
	special                               int
	timeOnly                              bool  // for time and timetz: digits alone are a time
	dayOfYear                             int64 // 0: not given
	hasSpecial, sawT, wantJulian, weekday bool
}

func (m *moment) hasDate() bool { return m.hasYear && m.hasMonth && m.hasDay }

// parseMoment reads date, time, timetz, timestamp and timestamptz.
func parseMoment(t Type, s string, st *Style) (any, error) {
	v, err := readMoment(t, s, st)
	if err != nil {
		return nil, momentError(err, t, s)
	}
	return v, nil
}

func readMoment(t Type, s string, st *Style) (any, error) {
	if err := CheckUTF8(s); err != nil {
		return nil, err
	}
	fields, err := scanFields(s)
	if err != nil {
		return nil, err
	}
	if len(fields) == 0 {
		return nil, errBadFormat
	}
	m := &moment{timeOnly: t.OID == TimeOID || t.OID == TimetzOID}
	for _, f := range fields {
		if err := m.take(f, st); err != nil {
			return nil, err
		}
	}
	if m.wantJulian {
		return nil, errBadFormat
	}
	if m.hasSpecial {
		return m.specialValue(t, s, st)
	}
	if err := m.checkDate(); err != nil {
		return nil, err
	}
	if err := m.checkClock(); err != nil {
		return nil, err
	}
	switch t.OID {
	case TimeOID, TimetzOID:
		return m.timeValue(t, st)
	}
	if !m.hasDate() {
		return nil, errBadFormat
	}
	return m.value(t, s, st)
}

// take adds one field.
func (m *moment) take(f field, st *Style) error {
	if m.wantJulian && f.kind != fieldNumber {
		return errBadFormat
	}
	switch f.kind {
	case fieldNumber:
		if m.wantJulian {
			return m.takeJulian(f.text)
		}
		return m.takeNumber(f.text, st)
	case fieldDate:
		return m.takeDate(f.text, st)
	case fieldTime:
		return m.takeTime(f.text)
	case fieldZone:
		return m.takeOffset(f.text)
	}
	return m.takeWord(f.text)
}

func (m *moment) takeOffset(s string) error {
	if m.hasZone {
		return errBadFormat
	}
	offset, err := parseOffset(s)
	m.offset, m.hasZone = offset, true
	return err
}

func (m *moment) takeZoneName(name string) error {
	if m.hasZone {
		return errBadFormat
	}
	loc, ok := namedZone(name)
	if !ok {
		if loc, ok = posixZone(strings.ToUpper(name)); !ok {
			return unknownZone(name)
		}
	}
	m.loc, m.hasZone = loc, true
	return nil
}

func (m *moment) takeWord(s string) error {
	w, ok := lookupWord(s)
	if !ok {
		if _, isZone := namedZone(s); isZone {
			return m.takeZoneName(s)
		}
		return errBadFormat
	}
	switch w.kind {
	case wordMonth:
		// A text month after a number that was taken for the month: that number was the day.
		if m.hasMonth && !m.textMonth && !m.hasDay && m.month >= 1 && m.month <= 31 {
			m.day, m.hasDay = m.month, true
		} else if m.hasMonth {
			return errBadFormat
		}
		m.month, m.hasMonth, m.textMonth = int64(w.n), true, true
	case wordWeekday:
		if m.weekday {
			return errBadFormat
		}
		m.weekday = true
	case wordHalf:
		if m.hasHalf {
			return errBadFormat
		}
		m.hasHalf, m.pm = true, w.n > 0
	case wordEra:
		m.bc = w.n > 0
	case wordZone:
		if m.hasZone {
			return errBadFormat
		}
		m.offset, m.hasZone = w.n*60, true
	case wordSpecial:
		if m.hasSpecial || m.hasYear || m.hasMonth || m.hasDay {
			return errBadFormat
		}
		m.special, m.hasSpecial = w.n, true
	case wordT:
		if !m.hasDate() && !m.timeOnly || m.sawT || m.hasTime {
			return errBadFormat
		}
		m.sawT = true
	case wordJulian:
		if m.hasYear || m.hasMonth || m.hasDay {
			return errBadFormat
		}
		m.wantJulian = true
	}
	return nil
}

func (m *moment) takeJulian(s string) error {
	m.wantJulian = false
	whole, frac, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 32)
	if err != nil {
		return errFieldRange
	}
	m.year, m.month, m.day = dateOf(n + minDay)
	m.hasYear, m.hasMonth, m.hasDay, m.julian = true, true, true, true
	if frac != "" {
		part, err := strconv.ParseFloat("0."+frac, 64)
		if err != nil {
			return errBadFormat
		}
		m.setClock(int64(part * float64(microsPerDay)))
	}
	return nil
}

func (m *moment) setClock(micros int64) {
	m.hour, m.minute = micros/microsPerHour, micros/(60*microsPerSecond)%60
	m.second, m.micros, m.hasTime = micros/microsPerSecond%60, micros%microsPerSecond, true
}

// takeDate takes a date whose parts are joined; or, when there is a date already, a zone name, or a time that an
// offset follows without a blank.
func (m *moment) takeDate(s string, st *Style) error {
	head, _, _ := strings.Cut(s, "-")
	isTime := m.timeOnly && isClockRun(head) && strings.Count(s, "-") == 1
	if m.hasMonth && m.hasDay || m.sawT || m.hasSpecial || isTime {
		if !isDigit(s[0]) {
			return m.takeZoneName(s)
		}
		i := strings.IndexByte(s, '-')
		if i < 0 {
			return errBadFormat
		}
		if err := m.takeOffset(s[i:]); err != nil {
			return err
		}
		return m.takeRun(s[:i])
	}
	if isLetter(s[0]) {
		head = s[:skip(s, 0, isLetter)]
		if w, ok := lookupWord(head); !ok || w.kind != wordMonth && w.kind != wordWeekday {
			return m.takeZoneName(s)
		}
	}
	var parts []string
	for i := 0; i < len(s); {
		start := i
		switch {
		case isDigit(s[i]):
			i = skip(s, i, isDigit)
		case isLetter(s[i]):
			i = skip(s, i, isLetter)
		default:
			i++
			continue
		}
		parts = append(parts, s[start:i])
	}
	if len(parts) > 3 {
		return errBadFormat
	}
	for i, p := range parts { // a month in letters tells how to read the numbers beside it
		if w, ok := lookupWord(p); isLetter(p[0]) {
			if !ok || w.kind != wordMonth || m.hasMonth {
				return errBadFormat
			}
			m.month, m.hasMonth, m.textMonth = int64(w.n), true, true
			parts[i] = ""
		}
	}
	for _, p := range parts {
		if p == "" {
			continue
		}
		if err := m.takePlainNumber(p, st); err != nil {
			return err
		}
	}
	if !m.hasDate() {
		return errBadFormat
	}
	return nil
}

func (m *moment) takeTime(s string) error {
	if m.hasTime {
		return errBadFormat
	}
	parts := strings.Split(s, ":")
	if len(parts) > 3 {
		return errBadFormat
	}
	hour, err1 := strconv.ParseInt(parts[0], 10, 32)
	minute, err2 := strconv.ParseInt(parts[1], 10, 32)
	if err1 != nil || err2 != nil {
		return errBadFormat
	}
	m.hour, m.minute, m.hasTime = hour, minute, true
	if len(parts) == 3 {
		return m.takeSeconds(parts[2])
	}
	return nil
}

func (m *moment) takeSeconds(s string) error {
	whole, frac, point := strings.Cut(s, ".")
	second, err := strconv.ParseInt(whole, 10, 32)
	if err != nil {
		return errBadFormat
	}
	m.second = second
	if point && frac != "" {
		m.micros, err = parseFraction(frac)
	}
	return err
}

// parseFraction reads digits behind a decimal point as microseconds.
func parseFraction(digits string) (int64, error) {
	f, err := strconv.ParseFloat("0."+digits, 64)
	if err != nil || strings.Trim(digits, "0123456789") != "" {
		return 0, errBadFormat
	}
	return int64(math.RoundToEven(f * 1e6)), nil
}

// takeNumber takes a number that stands alone: run-together digits of a date or time, or one part of a date.
func (m *moment) takeNumber(s string, st *Style) error {
	whole, frac, point := strings.Cut(s, ".")
	switch {
	case point && (m.hasDate() || m.timeOnly):
		if len(whole) < 4 || m.hasTime {
			return errBadFormat
		}
		if err := m.takeRun(whole); err != nil {
			return err
		}
		micros, err := parseFraction("0" + frac)
		if frac != "" {
			micros, err = parseFraction(frac)
		}
		m.micros = micros
		return err
	case point:
		return m.takeDottedDate(whole, frac, st)
	case m.sawT || m.timeOnly && !m.hasDate() || len(s) >= 6 && (!m.hasDate() || !m.hasTime) || m.hasDate():
		return m.takeRun(s)
	}
	return m.takePlainNumber(s, st)
}

// takeDottedDate reads "2001.055": a year and the day within it.
func (m *moment) takeDottedDate(whole, frac string, st *Style) error {
	if len(frac) != 3 || len(whole) < 3 || m.hasYear || m.hasMonth || m.hasDay {
		return errBadFormat
	}
	year, err1 := strconv.ParseInt(whole, 10, 32)
	day, err2 := strconv.ParseInt(frac, 10, 32)
	if err1 != nil || err2 != nil {
		return errBadFormat
	}
	if day < 1 || day > 366 {
		return errFieldRange
	}
	m.year, m.month, m.day, m.dayOfYear = year, 1, 1, day
	m.hasYear, m.hasMonth, m.hasDay = true, true, true
	return nil
}

// takeRun reads yyyymmdd, yymmdd, hhmmss or hhmm.
func (m *moment) takeRun(s string) error {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return errBadFormat
	}
	switch {
	case !m.hasDate() && len(s) >= 6 && !(m.timeOnly && isClockRun(s)):
		if m.hasYear || m.hasMonth || m.hasDay {
			return errBadFormat
		}
		m.day, m.month, m.year = n%100, n/100%100, n/10000
		m.shortYear = len(s) == 6
		m.hasYear, m.hasMonth, m.hasDay = true, true, true
		return nil
	case m.hasTime || !m.hasDate() && !m.timeOnly:
		return errBadFormat
	case len(s) == 6:
		m.hour, m.minute, m.second = n/10000, n/100%100, n%100
	case len(s) == 4:
		m.hour, m.minute = n/100, n%100
	case m.sawT && len(s) == 2:
		m.hour = n
	default:
		return errBadFormat
	}
	m.hasTime = true
	return nil
}

// isClockRun reports whether s has the shape of hhmm or hhmmss.
func isClockRun(s string) bool {
	return (len(s) == 4 || len(s) == 6) && skip(s, 0, isDigit) == len(s)
}

// takePlainNumber takes one number of a date; what it means depends on what is known and on the field order.
func (m *moment) takePlainNumber(s string, st *Style) error {
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil {
		return errFieldRange
	}
	long := len(s) >= 3
	year := func() { m.year, m.hasYear, m.shortYear = n, true, len(s) <= 2 }
	month := func() { m.month, m.hasMonth = n, true }
	day := func() { m.day, m.hasDay = n, true }
	if len(s) == 3 && m.hasYear && !m.hasMonth && !m.hasDay && n >= 1 && n <= 366 {
		m.dayOfYear, m.month, m.day, m.hasMonth, m.hasDay = n, 1, 1, true, true
		return nil
	}
	switch {
	case !m.hasYear && !m.hasMonth && !m.hasDay:
		switch {
		case long || st.DateOrder == OrderYMD:
			year()
		case st.DateOrder == OrderDMY:
			day()
		default:
			month()
		}
	case m.hasYear && !m.hasMonth && !m.hasDay:
		month()
	case !m.hasYear && m.hasMonth && !m.hasDay:
		if m.textMonth && (long || st.DateOrder == OrderYMD) {
			year()
		} else {
			day()
		}
	case m.hasYear && m.hasMonth && !m.hasDay:
		if m.textMonth && long && m.shortYear {
			m.day, m.hasDay = m.year, true // the first number was the day after all
			year()
		} else {
			day()
		}
	case !m.hasYear && !m.hasMonth && m.hasDay:
		month()
	case !m.hasYear && m.hasDay:
		year()
	default:
		return errBadFormat
	}
	return nil
}
