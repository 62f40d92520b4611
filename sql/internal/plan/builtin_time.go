package plan

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"

	"engram/sql/types"
)

var timeCalls = map[string]goCall{
	"now":           func(env *Env, _ []any) (any, error) { return env.Now.UnixMicro(), nil },
	"statement_now": func(env *Env, _ []any) (any, error) { return clockOf(env).UnixMicro(), nil },
	"clock":         func(*Env, []any) (any, error) { return time.Now().UnixMicro(), nil },
	"timeofday": func(env *Env, _ []any) (any, error) {
		return time.Now().In(env.zone()).Format("Mon Jan 02 15:04:05.000000 2006 MST"), nil
	},
	"interval_mul": func(_ *Env, v []any) (any, error) { return scaleInterval(v[0].(types.Interval), v[1].(float64)) },
	"interval_div": func(_ *Env, v []any) (any, error) {
		if v[1].(float64) == 0 {
			return nil, divisionByZero()
		}
		return scaleInterval(v[0].(types.Interval), 1/v[1].(float64))
	},
	"justify_days":     func(_ *Env, v []any) (any, error) { i := v[0].(types.Interval); return justify(i, false, true), nil },
	"justify_hours":    func(_ *Env, v []any) (any, error) { i := v[0].(types.Interval); return justify(i, true, false), nil },
	"justify_interval": func(_ *Env, v []any) (any, error) { i := v[0].(types.Interval); return justify(i, true, true), nil },
	"extract_interval": func(_ *Env, v []any) (any, error) {
		f, err := intervalField(v[0].(string), v[1].(types.Interval))
		return f, err
	},
	"timezone_out": func(_ *Env, v []any) (any, error) {
		zone, err := zoneOf(v[0].(string))
		if err != nil {
			return nil, err
		}
		x := v[1].(int64)
		if infinite(x) {
			return x, nil
		}
		_, offset := time.UnixMicro(x).In(zone).Zone()
		return x + int64(offset)*1000000, nil
	},
	"timezone_in": func(_ *Env, v []any) (any, error) {
		zone, err := zoneOf(v[0].(string))
		if err != nil {
			return nil, err
		}
		if infinite(v[1].(int64)) {
			return v[1], nil
		}
		return fromLocal(v[1].(int64), zone), nil
	},
	"to_char_timestamp": func(_ *Env, v []any) (any, error) { return toChar(time.UnixMicro(v[0].(int64)).UTC(), v[1].(string)) },
	"to_char_timestamptz": func(env *Env, v []any) (any, error) {
		return toChar(time.UnixMicro(v[0].(int64)).In(env.zone()), v[1].(string))
	},
}

func zoneOf(name string) (*time.Location, error) {
	z, err := types.LoadZone(name)
	if err != nil {
		return nil, types.Errorf(types.CodeInvalidParameterValue, "time zone \"%s\" not recognized", name)
	}
	return z, nil
}

// scaleInterval multiplies an interval; what is left of a month becomes days of 30, what is left of a day time.
func scaleInterval(i types.Interval, f float64) (any, error) {
	months := float64(i.Months) * f
	days := float64(i.Days) * f
	m, d := math.Trunc(months), math.Trunc(days)
	extra := math.Round((months-m)*30*1e6) / 1e6
	wholeDays := math.Trunc(extra)
	rest := math.Round(((extra-wholeDays)+(days-d))*86400*1e6) / 1e6
	if math.Abs(rest) >= 86400 {
		wholeDays += math.Trunc(rest / 86400)
		rest = math.Mod(rest, 86400)
	}
	micros := math.RoundToEven(float64(i.Micros)*f + rest*1e6)
	if math.Abs(m) > math.MaxInt32 || math.Abs(d+wholeDays) > math.MaxInt32 || math.Abs(micros) > math.MaxInt64/2 || math.IsNaN(f) {
		return nil, types.Errorf(types.CodeDatetimeFieldOverflow, "interval out of range")
	}
	return types.Interval{Months: int32(m), Days: int32(d + wholeDays), Micros: int64(micros)}, nil
}

func justify(i types.Interval, hours, days bool) types.Interval {
	if hours {
		i.Days += int32(i.Micros / microsPerDay)
		i.Micros %= microsPerDay
	}
	if days {
		i.Months += i.Days / 30
		i.Days %= 30
	}
	if days && i.Months > 0 && (i.Days < 0 || i.Days == 0 && i.Micros < 0) {
		i.Days, i.Months = i.Days+30, i.Months-1
	} else if days && i.Months < 0 && (i.Days > 0 || i.Days == 0 && i.Micros > 0) {
		i.Days, i.Months = i.Days-30, i.Months+1
	}
	if hours && i.Days > 0 && i.Micros < 0 {
		i.Days, i.Micros = i.Days-1, i.Micros+microsPerDay
	} else if hours && i.Days < 0 && i.Micros > 0 {
		i.Days, i.Micros = i.Days+1, i.Micros-microsPerDay
	}
	return i
}

func intervalField(field string, i types.Interval) (float64, error) {
	switch field {
	case "year":
		return float64(i.Months / 12), nil
	case "month":
		return float64(i.Months % 12), nil
	case "quarter":
		return float64(i.Months%12/3 + 1), nil
	case "decade":
		return float64(i.Months / 120), nil
	case "century":
		return float64(i.Months / 1200), nil
	case "millennium":
		return float64(i.Months / 12000), nil
	case "day":
		return float64(i.Days), nil
	case "hour":
		return float64(i.Micros / 3600000000), nil
	case "minute":
		return float64(i.Micros / 60000000 % 60), nil
	case "second":
		return float64(i.Micros%60000000) / 1e6, nil
	case "milliseconds":
		return float64(i.Micros%60000000) / 1e3, nil
	case "microseconds":
		return float64(i.Micros % 60000000), nil
	case "epoch":
		years := float64(i.Months/12) * 365.25 * 86400
		return years + float64(i.Months%12)*30*86400 + float64(i.Days)*86400 + float64(i.Micros)/1e6, nil
	}
	return 0, types.Errorf(types.CodeFeatureNotSupported, "unit \"%s\" not supported for type interval", field)
}

// extractValue is extract in Go.
func extractValue(env *Env, field string, oid uint32, v any, ret uint32) (any, error) {
	if oid == types.IntervalOID {
		f, err := intervalField(field, v.(types.Interval))
		if err != nil || ret == types.Float8OID {
			return f, err
		}
		return asDecimal(f)
	}
	var t time.Time
	switch x := v.(type) {
	case int32:
		t = time.Unix(int64(x)*86400, 0).UTC()
	case int64:
		t = time.UnixMicro(x).UTC()
		if oid == types.TimestamptzOID {
			t = t.In(env.zone())
		}
	}
	n, scale, err := momentField(field, t, oid)
	if err != nil {
		return nil, err
	}
	d := apd.New(n, scale)
	if ret == types.Float8OID {
		return asFloat(d)
	}
	return d, nil
}

func momentField(field string, t time.Time, oid uint32) (n int64, scale int32, err error) {
	isoYear, week := t.ISOWeek()
	micros := int64(t.Second())*1000000 + int64(t.Nanosecond())/1000
	switch field {
	case "year":
		return int64(t.Year()), 0, nil
	case "month":
		return int64(t.Month()), 0, nil
	case "day":
		return int64(t.Day()), 0, nil
	case "hour":
		return int64(t.Hour()), 0, nil
	case "minute":
		return int64(t.Minute()), 0, nil
	case "second":
		return micros, -6, nil
	case "milliseconds":
		return micros, -3, nil
	case "microseconds":
		return micros, 0, nil
	case "epoch":
		if oid == types.DateOID {
			return t.Unix(), 0, nil
		}
		return t.UnixMicro(), -6, nil
	case "dow":
		return int64(t.Weekday()), 0, nil
	case "isodow":
		return int64(t.Weekday()+6)%7 + 1, 0, nil
	case "doy":
		return int64(t.YearDay()), 0, nil
	case "week":
		return int64(week), 0, nil
	case "isoyear":
		return int64(isoYear), 0, nil
	case "quarter":
		return int64(t.Month()-1)/3 + 1, 0, nil
	case "decade":
		return int64(t.Year() / 10), 0, nil
	case "century":
		return int64((t.Year() + 99) / 100), 0, nil
	case "millennium":
		return int64((t.Year() + 999) / 1000), 0, nil
	}
	return 0, 0, types.Errorf(types.CodeFeatureNotSupported, "unit \"%s\" not supported for type %s", field, types.Of(oid))
}

// charFields are the patterns of to_char for moments, longest first where one begins another.
var charFields = []struct {
	name string
	f    func(t time.Time) string
}{
	{"HH24", func(t time.Time) string { return fmt.Sprintf("%02d", t.Hour()) }},
	{"HH12", func(t time.Time) string { return fmt.Sprintf("%02d", (t.Hour()+11)%12+1) }},
	{"HH", func(t time.Time) string { return fmt.Sprintf("%02d", (t.Hour()+11)%12+1) }},
	{"MI", func(t time.Time) string { return fmt.Sprintf("%02d", t.Minute()) }},
	{"SSSS", func(t time.Time) string { return fmt.Sprint(t.Hour()*3600 + t.Minute()*60 + t.Second()) }},
	{"SS", func(t time.Time) string { return fmt.Sprintf("%02d", t.Second()) }},
	{"MS", func(t time.Time) string { return fmt.Sprintf("%03d", t.Nanosecond()/1e6) }},
	{"US", func(t time.Time) string { return fmt.Sprintf("%06d", t.Nanosecond()/1e3) }},
	{"AM", func(t time.Time) string { return pick(t.Hour() < 12, "AM", "PM") }},
	{"PM", func(t time.Time) string { return pick(t.Hour() < 12, "AM", "PM") }},
	{"am", func(t time.Time) string { return pick(t.Hour() < 12, "am", "pm") }},
	{"pm", func(t time.Time) string { return pick(t.Hour() < 12, "am", "pm") }},
	{"YYYY", func(t time.Time) string { return fmt.Sprintf("%04d", t.Year()) }},
	{"YYY", func(t time.Time) string { return fmt.Sprintf("%03d", t.Year()%1000) }},
	{"YY", func(t time.Time) string { return fmt.Sprintf("%02d", t.Year()%100) }},
	{"Y", func(t time.Time) string { return fmt.Sprint(t.Year() % 10) }},
	{"IYYY", func(t time.Time) string { y, _ := t.ISOWeek(); return fmt.Sprintf("%04d", y) }},
	{"IW", func(t time.Time) string { _, w := t.ISOWeek(); return fmt.Sprintf("%02d", w) }},
	{"MONTH", func(t time.Time) string { return fmt.Sprintf("%-9s", strings.ToUpper(t.Month().String())) }},
	{"Month", func(t time.Time) string { return fmt.Sprintf("%-9s", t.Month().String()) }},
	{"month", func(t time.Time) string { return fmt.Sprintf("%-9s", strings.ToLower(t.Month().String())) }},
	{"MON", func(t time.Time) string { return strings.ToUpper(t.Format("Jan")) }},
	{"Mon", func(t time.Time) string { return t.Format("Jan") }},
	{"mon", func(t time.Time) string { return strings.ToLower(t.Format("Jan")) }},
	{"MM", func(t time.Time) string { return fmt.Sprintf("%02d", t.Month()) }},
	{"DAY", func(t time.Time) string { return fmt.Sprintf("%-9s", strings.ToUpper(t.Weekday().String())) }},
	{"Day", func(t time.Time) string { return fmt.Sprintf("%-9s", t.Weekday().String()) }},
	{"day", func(t time.Time) string { return fmt.Sprintf("%-9s", strings.ToLower(t.Weekday().String())) }},
	{"DDD", func(t time.Time) string { return fmt.Sprintf("%03d", t.YearDay()) }},
	{"DD", func(t time.Time) string { return fmt.Sprintf("%02d", t.Day()) }},
	{"DY", func(t time.Time) string { return strings.ToUpper(t.Format("Mon")) }},
	{"Dy", func(t time.Time) string { return t.Format("Mon") }},
	{"dy", func(t time.Time) string { return strings.ToLower(t.Format("Mon")) }},
	{"D", func(t time.Time) string { return fmt.Sprint(int(t.Weekday()) + 1) }},
	{"ID", func(t time.Time) string { return fmt.Sprint((int(t.Weekday())+6)%7 + 1) }},
	{"WW", func(t time.Time) string { return fmt.Sprintf("%02d", (t.YearDay()-1)/7+1) }},
	{"W", func(t time.Time) string { return fmt.Sprint((t.Day()-1)/7 + 1) }},
	{"Q", func(t time.Time) string { return fmt.Sprint((int(t.Month())-1)/3 + 1) }},
	{"CC", func(t time.Time) string { return fmt.Sprintf("%02d", (t.Year()+99)/100) }},
	{"TZ", func(t time.Time) string {
		n, _ := t.Zone()
		return pick(t.Location() == time.UTC, "", strings.ToUpper(n))
	}},
	{"OF", func(t time.Time) string { return t.Format("-07") }},
}

// toChar formats a moment; a pattern that is not known here is an error, not text.
func toChar(t time.Time, f string) (any, error) {
	var b strings.Builder
	for i := 0; i < len(f); {
		if f[i] == '"' {
			end := strings.IndexByte(f[i+1:], '"')
			if end < 0 {
				end = len(f) - i - 1
			}
			b.WriteString(f[i+1 : i+1+end])
			i += end + 2
			continue
		}
		trim := strings.HasPrefix(f[i:], "FM")
		if trim {
			i += 2
		}
		name, text := charField(t, f[i:])
		switch {
		case name != "":
			i += len(name)
			if rest := f[i:]; strings.HasPrefix(rest, "th") || strings.HasPrefix(rest, "TH") || strings.HasPrefix(rest, "SP") {
				return nil, types.Errorf(types.CodeFeatureNotSupported, "the suffix \"%s\" in a format is not supported", rest[:2])
			}
			if trim {
				if text = strings.TrimRight(text, " "); len(text) > 1 {
					text = strings.TrimLeft(text[:len(text)-1], "0") + text[len(text)-1:]
				}
			}
			b.WriteString(text)
		case i < len(f) && isLetter(f[i]) && f[i] != 'T':
			return nil, types.Errorf(types.CodeFeatureNotSupported, "the pattern \"%s\" in a format is not supported", f[i:])
		case i < len(f):
			b.WriteByte(f[i])
			i++
		}
	}
	return b.String(), nil
}

func charField(t time.Time, f string) (name, text string) {
	for _, c := range charFields {
		if strings.HasPrefix(f, c.name) || isUpperField(c.name) && len(f) >= len(c.name) && strings.EqualFold(f[:len(c.name)], c.name) {
			return c.name, c.f(t)
		}
	}
	return "", ""
}

// isUpperField reports whether a field is a number, whose pattern may be written in either case.
func isUpperField(name string) bool {
	switch name {
	case "HH24", "HH12", "HH", "MI", "SSSS", "SS", "MS", "US", "YYYY", "YYY", "YY", "Y", "IYYY", "IW", "MM", "DDD", "DD", "D", "ID", "WW", "W", "Q", "CC":
		return true
	}
	return false
}
