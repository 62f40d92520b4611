package types

import (
	"strconv"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // zone names must work on machines without zone files
	"unicode"
)

// abbreviations are PostgreSQL's default zone abbreviations with their minutes east of UTC. Those that have meant
// different offsets at different times stand with their present one.
const abbreviations = "" +
	"acdt 630 acsst 630 acst 570 act -300 acwst 525 adt -180 aedt 660 aesst 660 aest 600 aft 270 akdt -480 akst " +
	"-540 almst 420 almt 360 amst 240 amt -240 anast 720 anat 720 arst -180 art -180 ast -240 awsst 540 awst 480 " +
	"azost 0 azot -60 azst 240 azt 240 bdst 120 bdt 360 bnt 480 bort 480 bot -240 bra -180 brst -120 brt -180 " +
	"bst 60 btt 360 cadt 630 cast 570 cct 480 cdt -300 cest 120 cet 60 cetdst 120 chadt 825 chast 765 chut 600 " +
	"ckt -600 clst -180 clt -180 cot -300 cst -360 cxt 420 davt 420 ddut 600 easst -300 east -300 eat 180 edt " +
	"-240 eest 180 eet 120 eetdst 180 egst 0 egt -60 est -300 fet 180 fjst 780 fjt 720 fkst -180 fkt -180 fnst " +
	"-60 fnt -120 galt -360 gamt -540 gest 240 get 240 gft -180 gilt 720 gmt 0 gyt -240 hkt 480 hst -600 ict 420 " +
	"idt 180 iot 360 irkst 480 irkt 480 irt 210 ist 120 jayt 540 jst 540 kdt 600 kgst 360 kgt 360 kost 660 krast " +
	"420 krat 420 kst 540 lhdt 660 lhst 630 ligt 600 lint 840 lkt 330 magst 660 magt 660 mart -570 mawt 300 mdt " +
	"-360 mest 120 mesz 120 met 60 metdst 120 mez 60 mht 720 mmt 390 mpt 600 msd 240 msk 180 mst -420 must 300 " +
	"mut 240 mvt 300 myt 480 ndt -150 nft -210 novst 420 novt 420 npt 345 nst -210 nut -660 nzdt 780 nzst 720 " +
	"nzt 720 omsst 360 omst 360 pdt -420 pet -300 petst 720 pett 720 pgt 600 pht 480 pkst 360 pkt 300 pmdt -120 " +
	"pmst -180 pont 660 pst -480 pwt 540 pyst -180 pyt -180 ret 240 sadt 630 sast 120 sct 240 sgt 480 taht -600 " +
	"tft 300 tjt 300 tkt 780 tmt 300 tot 780 trut 600 tvt 720 uct 0 ulast 540 ulat 480 ut 0 utc 0 uyst -120 uyt " +
	"-180 uzst 360 uzt 300 vet -240 vlast 600 vlat 600 volt 180 vut 660 wadt 480 wakt 720 wast 420 wat 60 wdt " +
	"540 wet 0 wetdst 60 wft 720 wgst -120 wgt -180 xjt 360 yakst 540 yakt 540 yapt 600 yekst 360 yekt 300 z 0 " +
	"zulu 0 "

var zoneMinutes = sync.OnceValue(func() map[string]int {
	m := map[string]int{}
	list := strings.Fields(abbreviations)
	for i := 0; i+1 < len(list); i += 2 {
		m[list[i]], _ = strconv.Atoi(list[i+1])
	}
	return m
})

// LoadZone finds a time zone as SET TimeZone names it: a name of the IANA list, an abbreviation, a number of hours
// east of UTC, or a POSIX zone without rules ("EST5", "<+03>-03"). The error has code 22023.
func LoadZone(name string) (*time.Location, error) {
	if loc, ok := namedZone(name); ok {
		return loc, nil
	}
	if hours, err := strconv.ParseFloat(strings.TrimSpace(name), 64); err == nil {
		if hours > -168 && hours < 168 {
			return fixedZone(int(hours * 3600)), nil
		}
	} else if loc, ok := posixZone(name); ok {
		return loc, nil
	} else if min, ok := zoneMinutes()[strings.ToLower(name)]; ok {
		return time.FixedZone(strings.ToUpper(name), min*60), nil
	}
	return nil, Errorf(CodeInvalidParameterValue, "invalid value for parameter \"TimeZone\": \"%s\"", name)
}

// ZoneName is how SHOW TimeZone prints a zone.
func ZoneName(loc *time.Location) string {
	if loc == nil {
		return "UTC"
	}
	return loc.String()
}

// fixedZone makes a zone that is named as PostgreSQL names one made from a number.
func fixedZone(offset int) *time.Location {
	east, west := string(appendOffset(nil, offset)), string(appendOffset(nil, -offset))
	return time.FixedZone("<"+east+">"+west, offset)
}

// posixZone reads "ABC5:30" and "<+03>-03": a name and hours west of UTC.
func posixZone(spec string) (*time.Location, bool) {
	rest := spec
	if strings.HasPrefix(rest, "<") {
		_, after, ok := strings.Cut(rest, ">")
		if !ok {
			return nil, false
		}
		rest = after
	} else {
		rest = strings.TrimLeftFunc(rest, unicode.IsLetter)
		if len(spec)-len(rest) < 3 {
			return nil, false
		}
	}
	sign := 1
	if rest != "" && (rest[0] == '+' || rest[0] == '-') {
		if rest[0] == '-' {
			sign = -1
		}
		rest = rest[1:]
	}
	total, unit := 0, 3600
	for part := range strings.SplitSeq(rest, ":") {
		n, err := strconv.ParseUint(part, 10, 8)
		if err != nil || unit == 0 || n > 24 && unit == 3600 || n > 59 {
			return nil, false
		}
		total, unit = total+int(n)*unit, unit/60
	}
	return time.FixedZone(spec, -sign*total), true
}

var zoneCache sync.Map // lower-case name -> *time.Location

// namedZone finds a zone of the IANA list, whatever the case of its letters.
func namedZone(name string) (*time.Location, bool) {
	lower := strings.ToLower(name)
	if lower == "" || lower == "local" || len(lower) > 64 {
		return nil, false
	}
	if loc, ok := zoneCache.Load(lower); ok {
		return loc.(*time.Location), true
	}
	for _, spelling := range []string{name, strings.ToUpper(name), titleZone(lower)} {
		loc, err := time.LoadLocation(spelling)
		if err == nil && spelling != "Local" {
			zoneCache.Store(lower, loc)
			return loc, true
		}
	}
	return nil, false
}

// titleZone writes "america/port-au-prince" as the list spells it.
func titleZone(lower string) string {
	b := []byte(lower)
	for i := range b {
		if i == 0 || strings.IndexByte("/_-", b[i-1]) >= 0 {
			b[i] = byte(unicode.ToUpper(rune(b[i])))
		}
	}
	s := string(b)
	for _, small := range []string{"-Au-", "_Of_", "-Es-", "-Of-"} {
		s = strings.ReplaceAll(s, small, strings.ToLower(small))
	}
	return s
}

// offsetAt is a zone's seconds east of UTC at a moment.
func offsetAt(loc *time.Location, unix int64) int {
	_, offset := time.Unix(unix, 0).In(loc).Zone()
	return offset
}

// localOffset is the zone's offset for a local time given as if it were UTC. A time that a change of offset skips is
// read by the offset before the change, a time that it repeats by the one after it.
func localOffset(loc *time.Location, local int64) int {
	const day = 86400
	before, after := offsetAt(loc, local-day), offsetAt(loc, local+day)
	if before == after {
		return before
	}
	if offsetAt(loc, local-int64(after)) == after {
		return after // the only reading, or the later one of two
	}
	return before
}

// appendOffset prints seconds east of UTC as "+hh[:mm[:ss]]".
func appendOffset(dst []byte, offset int) []byte {
	sign := byte('+')
	if offset < 0 {
		sign, offset = '-', -offset
	}
	dst = append(dst, sign)
	dst = appendPadded(dst, int64(offset/3600), 2)
	if m, s := offset/60%60, offset%60; m != 0 || s != 0 {
		dst = appendPadded(append(dst, ':'), int64(m), 2)
		if s != 0 {
			dst = appendPadded(append(dst, ':'), int64(s), 2)
		}
	}
	return dst
}

// parseOffset reads "+hh", "+hhmm", "+hh:mm" and "+hh:mm:ss".
func parseOffset(s string) (seconds int, err error) {
	sign := 1
	if s[0] == '-' {
		sign = -1
	}
	parts := strings.Split(s[1:], ":")
	var n [3]int
	if len(parts) > 3 {
		return 0, errBadFormat
	}
	for i, p := range parts {
		v, err := strconv.ParseUint(p, 10, 31)
		if err != nil {
			return 0, errBadFormat
		}
		n[i] = int(v)
	}
	if len(parts) == 1 && len(parts[0]) > 2 {
		n[0], n[1] = n[0]/100, n[0]%100
	}
	if n[0] > 15 || n[1] > 59 || n[2] > 59 {
		return 0, errZoneRange
	}
	return sign * (n[0]*3600 + n[1]*60 + n[2]), nil
}

func unknownZone(name string) error {
	return Errorf(CodeInvalidParameterValue, "time zone \"%s\" not recognized", name)
}
