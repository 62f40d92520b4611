package types

import (
	"errors"
	"strings"
)

// Reasons why a date, time or interval cannot be read; momentError words them.
var (
	errBadFormat  = errors.New("bad format")
	errFieldRange = errors.New("field out of range")
	errOrderRange = errors.New("month or day out of range")
	errZoneRange  = errors.New("zone out of range")
	errIntervalRg = errors.New("interval field out of range")
)

// momentError words a reason for one input.
func momentError(err error, t Type, s string) error {
	name, _ := strings.CutSuffix(byOID[t.OID].SQLName, " without time zone")
	switch err {
	case errBadFormat:
		return Errorf(CodeInvalidDatetimeFormat, "invalid input syntax for type %s: \"%s\"", name, s)
	case errFieldRange:
		return Errorf(CodeDatetimeFieldOverflow, "date/time field value out of range: \"%s\"", s)
	case errOrderRange:
		return Errorf(CodeDatetimeFieldOverflow, "date/time field value out of range: \"%s\"", s).
			WithHint("Perhaps you need a different \"datestyle\" setting.")
	case errZoneRange:
		return Errorf(CodeInvalidTimeZoneDisplacement, "time zone displacement out of range: \"%s\"", s)
	case errIntervalRg:
		return Errorf(CodeIntervalFieldOverflow, "interval field value out of range: \"%s\"", s)
	}
	return err
}

type fieldKind uint8

const (
	fieldNumber fieldKind = iota // 20010203, 1.5
	fieldDate                    // 2001-02-03, 3/jan/2001, america/new_york
	fieldTime                    // 04:05:06.789
	fieldZone                    // +02:00, also a signed number of an interval
	fieldWord                    // jan, now, pm
	fieldSigned                  // -infinity
)

type field struct {
	kind fieldKind
	text string // lower case
}

const maxFields = 25

// scanFields cuts a date, time or interval into fields, by PostgreSQL's rules of what may touch what.
func scanFields(s string) ([]field, error) {
	if len(s) > 128 {
		return nil, errBadFormat
	}
	s = strings.ToLower(s)
	var list []field
	for i := 0; i < len(s); {
		c := s[i]
		start := i
		var kind fieldKind
		switch {
		case isSpace(c):
			i++
			continue
		case isDigit(c):
			kind, i = scanNumberField(s, i)
		case c == '.':
			kind, i = fieldNumber, i+1
			i = skip(s, i, isDigit)
		case isLetter(c):
			kind, i = scanWordField(s, i)
		case c == '+' || c == '-':
			i = skip(s, i+1, isSpace)
			switch {
			case i < len(s) && (isDigit(s[i]) || s[i] == '.'):
				kind = fieldZone
				end := skip(s, i, func(c byte) bool { return isDigit(c) || c == ':' || c == '.' || c == '-' })
				list = append(list, field{kind, string(c) + s[i:end]})
				i = end
				continue
			case i < len(s) && isLetter(s[i]):
				end := skip(s, i, isLetter)
				list = append(list, field{fieldSigned, string(c) + s[i:end]})
				i = end
				continue
			}
			return nil, errBadFormat
		case c > 0x20 && c < 0x7f: // other punctuation separates
			i++
			continue
		default:
			return nil, errBadFormat
		}
		if len(list) == maxFields {
			return nil, errBadFormat
		}
		list = append(list, field{kind, s[start:i]})
	}
	return list, nil
}

// scanNumberField scans a field that begins with a digit at i and gives its kind and end.
func scanNumberField(s string, i int) (fieldKind, int) {
	i = skip(s, i, isDigit)
	if i == len(s) {
		return fieldNumber, i
	}
	delim := s[i]
	switch delim {
	case ':':
		return fieldTime, skip(s, i, func(c byte) bool { return isDigit(c) || c == ':' || c == '.' })
	case '-', '/', '.':
	default:
		return fieldNumber, i
	}
	kind := fieldDate
	if delim == '.' {
		kind = fieldNumber
	}
	i++
	if i < len(s) && isDigit(s[i]) {
		i = skip(s, i, isDigit)
		if i < len(s) && s[i] == delim {
			return fieldDate, skip(s, i, func(c byte) bool { return isDigit(c) || c == delim })
		}
		return kind, i
	}
	return kind, skip(s, i, func(c byte) bool { return isDigit(c) || isLetter(c) || c == delim })
}

// scanWordField scans a field that begins with a letter: a keyword, or a date or zone name with punctuation inside.
func scanWordField(s string, start int) (fieldKind, int) {
	i := skip(s, start, isLetter)
	if i == len(s) {
		return fieldWord, i
	}
	joined := s[i] == '-' || s[i] == '/' || s[i] == '.'
	if s[i] == '+' || isDigit(s[i]) {
		_, known := words[s[start:i]] // a zone's name may go on with its offset: gmt+3
		joined = !known && !strings.Contains(" d h m mm s y ", " "+s[start:i]+" ")
	}
	if !joined {
		return fieldWord, i
	}
	return fieldDate, skip(s, i, func(c byte) bool {
		return isLetter(c) || isDigit(c) || strings.IndexByte("+-/_.:", c) >= 0
	})
}

func skip(s string, i int, f func(byte) bool) int {
	for i < len(s) && f(s[i]) {
		i++
	}
	return i
}

func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isLetter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
func isSpace(c byte) bool  { return c == ' ' || c >= '\t' && c <= '\r' }

type wordKind uint8

const (
	wordMonth wordKind = iota + 1
	wordWeekday
	wordHalf    // am, pm
	wordEra     // ad, bc
	wordZone    // minutes east
	wordSpecial // now, today, infinity ...
	wordT       // the T of ISO 8601
	wordJulian
	wordIgnored
)

type word struct {
	kind wordKind
	n    int
}

const (
	specialNow = iota
	specialToday
	specialTomorrow
	specialYesterday
	specialEpoch
	specialInfinity
	specialMinusInfinity
	specialAllballs
)

var words = func() map[string]word {
	m := map[string]word{
		"am": {wordHalf, 0}, "pm": {wordHalf, 12}, "ad": {wordEra, 0}, "bc": {wordEra, 1}, "t": {wordT, 0},
		"j": {wordJulian, 0}, "jd": {wordJulian, 0}, "julian": {wordJulian, 0},
		"now": {wordSpecial, specialNow}, "today": {wordSpecial, specialToday}, "tomorrow": {wordSpecial, specialTomorrow},
		"yesterday": {wordSpecial, specialYesterday}, "epoch": {wordSpecial, specialEpoch},
		"infinity": {wordSpecial, specialInfinity}, "-infinity": {wordSpecial, specialMinusInfinity},
		"allballs": {wordSpecial, specialAllballs},
		"at":       {wordIgnored, 0}, "on": {wordIgnored, 0}, "sept": {wordMonth, 9},
		"tues": {wordWeekday, 2}, "wednes": {wordWeekday, 3}, "weds": {wordWeekday, 3}, "thur": {wordWeekday, 4}, "thurs": {wordWeekday, 4},
	}
	for i, name := range []string{"january", "february", "march", "april", "may", "june", "july", "august", "september",
		"october", "november", "december"} {
		m[name], m[name[:3]] = word{wordMonth, i + 1}, word{wordMonth, i + 1}
	}
	for i, name := range []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"} {
		m[name], m[name[:3]] = word{wordWeekday, i}, word{wordWeekday, i}
	}
	return m
}()

// lookupWord finds a keyword or a zone abbreviation (its offset in minutes).
func lookupWord(s string) (word, bool) {
	if w, ok := words[s]; ok {
		return w, true
	}
	if len(s) > 10 { // PostgreSQL compares that many letters
		if w, ok := words[s[:min(len(s), 10)]]; ok {
			return w, true
		}
	}
	if m, ok := zoneMinutes()[s]; ok {
		return word{wordZone, m}, true
	}
	return word{}, false
}
