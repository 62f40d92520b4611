package types

import (
	"math"
	"time"
)

// checkDate settles the year and bounds month and day.
func (m *moment) checkDate() error {
	if m.julian {
		return nil
	}
	if m.hasYear {
		switch {
		case m.bc:
			if m.year <= 0 {
				return errFieldRange
			}
			m.year = 1 - m.year
		case m.shortYear && m.year < 70:
			m.year += 2000
		case m.shortYear && m.year < 100:
			m.year += 1900
		case m.year <= 0:
			return errFieldRange
		}
	}
	if m.hasMonth && (m.month < 1 || m.month > 12) || m.hasDay && (m.day < 1 || m.day > 31) {
		return errOrderRange
	}
	if m.dayOfYear > 0 {
		m.year, m.month, m.day = dateOf(daysOf(m.year, 1, 1) + m.dayOfYear - 1)
	}
	if m.hasDate() {
		if y, mo, d := dateOf(daysOf(m.year, m.month, m.day)); y != m.year || mo != m.month || d != m.day {
			return errFieldRange
		}
	}
	return nil
}

func (m *moment) checkClock() error {
	if m.hasHalf {
		switch {
		case m.hour > 12:
			return errFieldRange
		case m.pm && m.hour != 12:
			m.hour += 12
		case !m.pm && m.hour == 12:
			m.hour = 0
		}
	}
	if m.minute > 59 || m.second > 60 || m.hour > 24 || m.hour == 24 && (m.minute > 0 || m.second > 0 || m.micros > 0) {
		return errFieldRange
	}
	return nil
}

// clock is the time of day in microseconds; 23:59:60 makes it a whole day.
func (m *moment) clock() int64 {
	return m.hour*microsPerHour + (m.minute*60+m.second)*microsPerSecond + m.micros
}

func (m *moment) timeValue(t Type, st *Style) (any, error) {
	if !m.hasTime {
		return nil, errBadFormat
	}
	clock := m.clock()
	if clock > microsPerDay {
		return nil, errFieldRange
	}
	clock = roundMicros(clock, t.Mod)
	if t.OID == TimeOID {
		if m.loc != nil && !m.hasDate() {
			return nil, errBadFormat
		}
		return clock, nil
	}
	offset := m.offset
	loc := m.loc
	if !m.hasZone {
		loc = st.zone()
	}
	if loc != nil {
		days := daysOf(m.year, m.month, m.day)
		if !m.hasDate() {
			if m.hasZone && !isFixed(loc) {
				return nil, errBadFormat // a zone whose offset depends on the date
			}
			now := st.now()
			days = daysOf(int64(now.Year()), int64(now.Month()), int64(now.Day()))
		}
		offset = localOffset(loc, days*86400+clock/microsPerSecond)
	}
	return TimeTZ{clock, int32(offset)}, nil
}

// isFixed reports whether a zone has one offset all through the years of today.
func isFixed(loc *time.Location) bool {
	const winter, summer = 1_700_000_000, 1_720_000_000
	return offsetAt(loc, winter) == offsetAt(loc, summer)
}

func (m *moment) value(t Type, s string, st *Style) (any, error) {
	days := daysOf(m.year, m.month, m.day)
	if t.OID == DateOID {
		return checkDate(days, Errorf(CodeDatetimeFieldOverflow, "date out of range: \"%s\"", s))
	}
	outside := Errorf(CodeDatetimeFieldOverflow, "timestamp out of range: \"%s\"", s)
	if days < minDay-1 || days > 110_000_000 { // a day beyond, so that the sums below cannot overflow
		return nil, outside
	}
	seconds := days*86400 + m.clock()/microsPerSecond
	offset := 0
	if t.OID == TimestamptzOID {
		switch {
		case m.loc != nil:
			offset = localOffset(m.loc, seconds)
		case m.hasZone:
			offset = m.offset
		default:
			offset = localOffset(st.zone(), seconds)
		}
	}
	seconds -= int64(offset) + epochDays*86400
	if seconds > math.MaxInt64/microsPerSecond-2 {
		return nil, outside
	}
	return checkTimestamp(roundMicros(seconds*microsPerSecond+m.micros, t.Mod), outside)
}

// specialValue gives the value of now, today, infinity and their kin.
func (m *moment) specialValue(t Type, s string, st *Style) (any, error) {
	now := st.now()
	days := daysOf(int64(now.Year()), int64(now.Month()), int64(now.Day()))
	isTime := t.OID == TimeOID || t.OID == TimetzOID
	switch m.special {
	case specialInfinity, specialMinusInfinity, specialEpoch:
		if isTime || m.hasTime {
			return nil, errBadFormat
		}
		return endless(t, m.special), nil
	case specialAllballs:
		m.setClock(0)
		m.offset, m.hasZone = 0, true
		if !isTime {
			return nil, errBadFormat
		}
		return m.timeValue(t, st)
	case specialNow:
		if m.hasTime {
			return nil, errBadFormat
		}
		_, m.offset = now.Zone()
		m.hasZone = true
		m.setClock(int64(now.Hour())*microsPerHour + int64(now.Minute()*60+now.Second())*microsPerSecond + int64(now.Nanosecond()/1000))
	case specialTomorrow:
		days++
	case specialYesterday:
		days--
	}
	m.year, m.month, m.day = dateOf(days)
	m.hasYear, m.hasMonth, m.hasDay = true, true, true
	if err := m.checkClock(); err != nil {
		return nil, err
	}
	if isTime {
		return m.timeValue(t, st)
	}
	return m.value(t, s, st)
}

func endless(t Type, special int) any {
	sign := map[int]int64{specialInfinity: 1, specialMinusInfinity: -1, specialEpoch: 0}[special]
	if t.OID == DateOID {
		return int32(sign * dateInfinity)
	}
	return sign * infinity
}
