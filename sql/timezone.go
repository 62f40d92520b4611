package sql

import (
	"errors"
	"strconv"
	"strings"

	_ "time/tzdata" // zones are known on machines without a zone database
)

var errZone = errors.New("sql: not a time zone")

// offsetSeconds reads an offset such as "+02", "-5.5", "02:30" or "-02:30:15" in seconds.
func offsetSeconds(v string) (int, error) {
	sign := 1
	switch {
	case strings.HasPrefix(v, "-"):
		sign, v = -1, v[1:]
	case strings.HasPrefix(v, "+"):
		v = v[1:]
	}
	if v == "" || v[0] < '0' || v[0] > '9' {
		return 0, errZone
	}
	seconds, unit := 0.0, 3600.0
	for _, part := range strings.Split(v, ":") {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil || unit < 1 {
			return 0, errZone
		}
		seconds += n * unit
		unit /= 60
	}
	if seconds > 167*3600 {
		return 0, errZone
	}
	return sign * int(seconds), nil
}

// zoneCase writes a zone's name with the capitals the zone database uses: "europe/berlin" becomes "Europe/Berlin".
func zoneCase(v string) string {
	b := []byte(strings.ToLower(v))
	start := true
	for i, c := range b {
		if start && c >= 'a' && c <= 'z' {
			b[i] = c - 32
		}
		start = c == '/' || c == '_' || c == '-'
	}
	return string(b)
}
