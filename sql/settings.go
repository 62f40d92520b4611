package sql

import (
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"

	"engram/sql/types"
)

// settingKind is the type of a setting's values.
type settingKind uint8

const (
	boolSetting settingKind = iota
	intSetting
	realSetting
	stringSetting
	enumSetting
)

func (k settingKind) String() string {
	return [...]string{"bool", "integer", "real", "string", "enum"}[k]
}

// settingContext says who may change a setting, in PostgreSQL's words.
type settingContext uint8

const (
	userContext      settingContext = iota // anyone, at any time
	superuserContext                       // superusers
	fixedContext                           // nobody while the server runs
	internalContext                        // nobody: it describes the server
)

func (c settingContext) String() string {
	return [...]string{"user", "superuser", "postmaster", "internal"}[c]
}

// setting is one entry of the registry.
type setting struct {
	name     string // as SHOW prints it
	kind     settingKind
	def      string // in canonical form
	unit     string // "ms", "s", "min", "kB", "8kB" or "" for intSetting and realSetting
	min, max float64
	values   []string // of an enumSetting
	context  settingContext
	report   bool // clients are told when it changes
	group    string
	desc     string
	check    func(s *Session, v string) (string, error) // canonical form of a value that its kind already accepts
}

// held is what one setting holds in a session. The zero value is the default.
type held struct {
	session, local       string
	hasSession, hasLocal bool
}

// undoEntry is an entry of the undo log.
type undoEntry struct {
	name  string
	prior held
}

// settings are the settings of one session, with what a transaction must undo.
type settings struct {
	held    map[string]held // by lower-case name
	start   map[string]string
	log     []undoEntry
	told    map[string]string // what the client was last told of each reported setting
	toldOf  uint64            // version that told was made from, plus 1; 0: never
	version uint64            // counts changes, so that plans made under other settings are not used
}

func newSettings() *settings {
	return &settings{held: map[string]held{}, start: map[string]string{}, told: map[string]string{}}
}

// lookupSetting finds a known setting whatever the case of its name.
func lookupSetting(name string) (*setting, bool) {
	def, ok := settingIndex[strings.ToLower(name)]
	return def, ok
}

// isCustom reports whether a name is of the form a.b, which extensions and users may invent.
func isCustom(name string) bool {
	a, b, ok := strings.Cut(name, ".")
	return ok && isWord(a) && isWord(strings.ReplaceAll(b, ".", "_"))
}

func isWord(s string) bool {
	for i, r := range s {
		letter := r == '_' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 127
		if !letter && (i == 0 || (r < '0' || r > '9') && r != '$') {
			return false
		}
	}
	return s != ""
}

// get gives the canonical value of a setting.
func (g *settings) get(name string) (string, bool) {
	key := strings.ToLower(name)
	h := g.held[key]
	switch {
	case h.hasLocal:
		return h.local, true
	case h.hasSession:
		return h.session, true
	}
	return g.reset(key)
}

// reset gives the value a RESET returns to.
func (g *settings) reset(key string) (string, bool) {
	if v, ok := g.start[key]; ok {
		return v, true
	}
	if def, ok := settingIndex[key]; ok {
		return def.def, true
	}
	return "", false
}

// put stores a canonical value and remembers what it replaced.
func (g *settings) put(name, value string, local bool) {
	g.change(strings.ToLower(name), func(h *held) {
		if local {
			h.local, h.hasLocal = value, true
			return
		}
		*h = held{session: value, hasSession: true}
	})
}

// clear goes back to the value the session started with.
func (g *settings) clear(name string) {
	g.change(strings.ToLower(name), func(h *held) { *h = held{} })
}

func (g *settings) change(key string, f func(*held)) {
	h := g.held[key]
	g.log = append(g.log, undoEntry{key, h})
	f(&h)
	g.held[key] = h
	g.version++
}

// mark is a point of the undo log that a savepoint remembers.
func (g *settings) mark() int { return len(g.log) }

// rollbackTo undoes what was set since mark.
func (g *settings) rollbackTo(mark int) {
	for i := len(g.log) - 1; i >= mark; i-- {
		g.held[g.log[i].name] = g.log[i].prior
		g.version++
	}
	g.log = g.log[:min(mark, len(g.log))]
}

// commit keeps what SET set and ends what SET LOCAL set.
func (g *settings) commit() {
	for _, c := range g.log {
		if h := g.held[c.name]; h.hasLocal {
			h.local, h.hasLocal = "", false
			g.held[c.name] = h
			g.version++
		}
	}
	g.log = g.log[:0]
}

// changed lists the reported settings whose values the client does not know.
func (g *settings) changed() []Parameter {
	if g.toldOf == g.version+1 {
		return nil
	}
	g.toldOf = g.version + 1
	var out []Parameter
	for _, def := range settingTable {
		if !def.report {
			continue
		}
		v, _ := g.get(def.name)
		if old, ok := g.told[def.name]; !ok || old != v {
			g.told[def.name] = v
			out = append(out, Parameter{def.name, v})
		}
	}
	return out
}

// canonical checks a value as a client wrote it and brings it into the form that is stored.
func (def *setting) canonical(s *Session, value string) (string, error) {
	v, err := def.parse(value)
	if err != nil {
		return "", err
	}
	if def.check != nil {
		return def.check(s, v)
	}
	return v, nil
}

func (def *setting) parse(value string) (string, error) {
	switch def.kind {
	case boolSetting:
		if b, ok := parseBool(value); ok {
			return map[bool]string{true: "on", false: "off"}[b], nil
		}
		return "", types.Errorf(types.CodeInvalidParameterValue, "parameter %q requires a Boolean value", def.name)
	case intSetting, realSetting:
		return def.parseNumber(value)
	case enumSetting:
		for _, v := range def.values {
			if strings.EqualFold(v, value) {
				return v, nil
			}
		}
		if b, ok := parseBool(value); ok { // an enum with on and off among its values takes the other spellings too
			for _, v := range def.values {
				if v == map[bool]string{true: "on", false: "off"}[b] {
					return v, nil
				}
			}
		}
		return "", types.Errorf(types.CodeInvalidParameterValue, "invalid value for parameter %q: %q", def.name, value).
			WithHint("Available values: %s.", strings.Join(def.values, ", "))
	}
	return value, nil
}

// parseBool reads PostgreSQL's spellings of a truth value, unique prefixes included.
func parseBool(v string) (value, ok bool) {
	v = strings.ToLower(strings.TrimSpace(v))
	if v == "" {
		return false, false
	}
	switch {
	case v == "1" || v == "on" || strings.HasPrefix("true", v) || strings.HasPrefix("yes", v):
		return true, true
	case v == "0" || len(v) >= 2 && strings.HasPrefix("off", v) || strings.HasPrefix("false", v) || strings.HasPrefix("no", v):
		return false, true
	}
	return false, false
}

// unitFactors are the multiples of each base unit that a value may name.
var unitFactors = map[string]map[string]float64{
	"ms":  {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000},
	"s":   {"us": 1e-6, "ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400},
	"min": {"s": 1.0 / 60, "min": 1, "h": 60, "d": 1440},
	"kB":  {"B": 1.0 / 1024, "kB": 1, "MB": 1 << 10, "GB": 1 << 20, "TB": 1 << 30},
	"8kB": {"B": 1.0 / 8192, "kB": 1.0 / 8, "MB": 128, "GB": 1 << 17, "TB": 1 << 27},
}

func (def *setting) parseNumber(value string) (string, error) {
	text := strings.TrimSpace(value)
	end := len(text)
	for end > 0 && (text[end-1] >= 'a' && text[end-1] <= 'z' || text[end-1] >= 'A' && text[end-1] <= 'Z') {
		end--
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text[:end]), 64)
	bad := types.Errorf(types.CodeInvalidParameterValue, "invalid value for parameter %q: %q", def.name, value)
	if err != nil {
		if i, err := strconv.ParseInt(text, 0, 64); err == nil {
			n, end = float64(i), len(text)
		} else {
			return "", bad
		}
	}
	if unit := text[end:]; unit != "" {
		factor, ok := unitFactors[def.unit][unit]
		if !ok {
			return "", bad.WithHint("Valid units for this parameter are %s.", unitList(def.unit))
		}
		n *= factor
	}
	if def.kind == intSetting {
		n = math.RoundToEven(n)
	}
	if math.IsNaN(n) || n < def.min || n > def.max {
		return "", types.Errorf(types.CodeInvalidParameterValue,
			"%s is outside the valid range for parameter %q (%s .. %s)", formatNumber(n)+unitSuffix(def.unit), def.name,
			formatNumber(def.min), formatNumber(def.max))
	}
	return formatNumber(n), nil
}

func unitSuffix(unit string) string {
	if unit == "" {
		return ""
	}
	return " " + unit
}

func unitList(base string) string {
	if base == "kB" || base == "8kB" {
		return `"B", "kB", "MB", "GB", and "TB"`
	}
	return `"us", "ms", "s", "min", "h", and "d"`
}

func formatNumber(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

// show spells a canonical value as SHOW does: a number with the largest unit that divides it.
func (def *setting) show(v string) string {
	n, err := strconv.ParseInt(v, 10, 64)
	if def.unit == "" || err != nil || n <= 0 {
		return v
	}
	units := unitFactors[def.unit]
	best, factor := def.unit, 1.0
	for u, f := range units {
		if f > factor && n%int64(f) == 0 {
			best, factor = u, f
		}
	}
	if best == "8kB" {
		return strconv.FormatInt(n*8, 10) + "kB"
	}
	return strconv.FormatInt(n/int64(factor), 10) + best
}

// unknownSetting is the error for a name nobody knows, with the nearest known name as its hint.
func unknownSetting(name string) *Error {
	e := types.Errorf(types.CodeUndefinedObject, "unrecognized configuration parameter %q", name)
	best, bestDist := "", 4
	for _, def := range settingTable {
		if d := editDistance(strings.ToLower(name), strings.ToLower(def.name), bestDist); d < bestDist {
			best, bestDist = def.name, d
		}
	}
	if best != "" {
		e.Hint = fmt.Sprintf("Perhaps you meant %q.", best)
	}
	return e
}

// editDistance is the Levenshtein distance of a and b, or limit when it is not below limit.
func editDistance(a, b string, limit int) int {
	if len(a)-len(b) >= limit || len(b)-len(a) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			d := diagonal
			if a[i-1] != b[j-1] {
				d++
			}
			diagonal = row[j]
			row[j] = min(d, row[j]+1, row[j-1]+1)
		}
	}
	return min(row[len(b)], limit)
}

// settingNames lists every known setting in SHOW ALL's order.
func settingNames() []string {
	names := make([]string, 0, len(settingTable))
	for i := range settingTable {
		names = append(names, settingTable[i].name)
	}
	sort.Slice(names, func(i, j int) bool { return strings.ToLower(names[i]) < strings.ToLower(names[j]) })
	return names
}

// all is what the session has set.
func (g *settings) all() map[string]held {
	out := make(map[string]held, len(g.held))
	for name, h := range g.held {
		out[name] = h
	}
	return out
}
