package types

import (
	"strings"
	"time"
)

// DateFormat is the first half of PostgreSQL's DateStyle.
type DateFormat uint8

// The date formats.
const (
	DateISO      DateFormat = iota // 1997-12-17 07:37:16-08
	DateSQL                        // 12/17/1997 07:37:16.00 PST
	DatePostgres                   // Wed Dec 17 07:37:16 1997 PST
	DateGerman                     // 17.12.1997 07:37:16.00 PST
)

// DateOrder is the second half of DateStyle: how 01/02/03 is read.
type DateOrder uint8

// The field orders.
const (
	OrderMDY DateOrder = iota
	OrderDMY
	OrderYMD
)

// IntervalStyle is how intervals are printed.
type IntervalStyle uint8

// The interval styles.
const (
	IntervalPostgres        IntervalStyle = iota // 1 year 2 mons 3 days 04:05:06
	IntervalPostgresVerbose                      // @ 1 year 2 mons 3 days 4 hours 5 mins 6 secs
	IntervalSQLStandard                          // +1-2 +3 +4:05:06
	IntervalISO8601                              // P1Y2M3DT4H5M6S
)

// Style holds the session's settings that bear on how values are spelled. The zero value, and nil, are PostgreSQL's
// defaults with the time zone UTC.
type Style struct {
	TimeZone      *time.Location // nil: UTC
	DateFormat    DateFormat
	DateOrder     DateOrder
	IntervalStyle IntervalStyle
	ByteaEscape   bool // bytea_output = escape; false: hex

	// RoundFloats makes floats print with as many digits as ExtraFloatDigits says; false prints the shortest text
	// that reads back as the same number, which is what extra_float_digits > 0 means.
	RoundFloats bool
	// ExtraFloatDigits counts from 15 digits for float8 and from 6 for float4; -15 to 0.
	ExtraFloatDigits int

	// Now gives the moment that 'now', 'today' and their kin mean when a value is read; nil: time.Now.
	Now func() time.Time
}

var defaultStyle = &Style{}

func (s *Style) orDefault() *Style {
	if s == nil {
		return defaultStyle
	}
	return s
}

func (s *Style) zone() *time.Location {
	if s.TimeZone == nil {
		return time.UTC
	}
	return s.TimeZone
}

func (s *Style) now() time.Time {
	if s.Now != nil {
		return s.Now().In(s.zone())
	}
	return time.Now().In(s.zone())
}

// SetExtraFloatDigits takes the value of the setting extra_float_digits, -15 to 3.
func (s *Style) SetExtraFloatDigits(n int) {
	s.RoundFloats, s.ExtraFloatDigits = n <= 0, min(n, 0)
}

var dateFormatNames = []string{DateISO: "ISO", DateSQL: "SQL", DatePostgres: "Postgres", DateGerman: "German"}

var dateOrderNames = []string{OrderMDY: "MDY", OrderDMY: "DMY", OrderYMD: "YMD"}

// SetDateStyle takes a value of the setting DateStyle: "ISO, DMY", "german", "European". What it leaves out stays as
// it is. The error has code 22023.
func (s *Style) SetDateStyle(value string) error {
	format, order := s.DateFormat, s.DateOrder
	var formats, orders, explicitOrder int
	for part := range strings.SplitSeq(value, ",") {
		word := strings.ToLower(strings.TrimSpace(part))
		switch {
		case word == "":
			continue
		case strings.HasPrefix(word, "iso"):
			format, formats = DateISO, formats|1<<DateISO
		case strings.HasPrefix(word, "sql"):
			format, formats = DateSQL, formats|1<<DateSQL
		case strings.HasPrefix(word, "postgres"):
			format, formats = DatePostgres, formats|1<<DatePostgres
		case strings.HasPrefix(word, "german"):
			format, formats = DateGerman, formats|1<<DateGerman
			if explicitOrder == 0 {
				order = OrderDMY
			}
		case word == "mdy" || strings.HasPrefix(word, "us") || strings.HasPrefix(word, "noneuro"):
			order, orders, explicitOrder = OrderMDY, orders|1<<OrderMDY, 1
		case word == "dmy" || strings.HasPrefix(word, "euro"):
			order, orders, explicitOrder = OrderDMY, orders|1<<OrderDMY, 1
		case word == "ymd":
			order, orders, explicitOrder = OrderYMD, orders|1<<OrderYMD, 1
		case word == "default":
			format, order = DateISO, OrderMDY
		default:
			return Errorf(CodeInvalidParameterValue, "invalid value for parameter \"DateStyle\": \"%s\"", value).
				WithDetail("Unrecognized key word: \"%s\".", word)
		}
	}
	if formats&(formats-1) != 0 || orders&(orders-1) != 0 {
		return Errorf(CodeInvalidParameterValue, "invalid value for parameter \"DateStyle\": \"%s\"", value).
			WithDetail("Conflicting \"datestyle\" specifications.")
	}
	s.DateFormat, s.DateOrder = format, order
	return nil
}

// DateStyle is the setting's value: "ISO, MDY".
func (s *Style) DateStyle() string {
	return dateFormatNames[s.DateFormat] + ", " + dateOrderNames[s.DateOrder]
}

var intervalStyleNames = []string{IntervalPostgres: "postgres", IntervalPostgresVerbose: "postgres_verbose",
	IntervalSQLStandard: "sql_standard", IntervalISO8601: "iso_8601"}

// SetIntervalStyle takes a value of the setting IntervalStyle; false means that there is no such style.
func (s *Style) SetIntervalStyle(value string) bool {
	for i, name := range intervalStyleNames {
		if strings.EqualFold(name, value) {
			s.IntervalStyle = IntervalStyle(i)
			return true
		}
	}
	return false
}

// String is the setting's value: "postgres".
func (i IntervalStyle) String() string { return intervalStyleNames[i] }
