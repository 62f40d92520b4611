package types

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Type is a type with its modifier, both as RowDescription carries them.
type Type struct {
	OID uint32
	Mod int32 // -1 when there is none; varchar(n), char(n): n+4; numeric(p,s): (p<<16|s)+4; vector(n), bit(n): n
}

// Of returns the type of an OID without a modifier.
func Of(oid uint32) Type { return Type{OID: oid, Mod: -1} }

var (
	byOID     = map[uint32]*Description{}
	byTypname = map[string]uint32{}
	byName    = map[string]uint32{}
)

func init() {
	for i := range base {
		d := &base[i]
		byOID[d.OID] = d
		byTypname[d.Name] = d.OID
		if d.Array != 0 {
			a := arrayOf(d)
			byOID[a.OID] = a
			byTypname[a.Name] = a.OID
		}
	}
	maps.Copy(byName, byTypname)
	for name, oid := range sqlNames {
		byName[name] = oid
	}
}

// arrayOf derives the description of an array type from its element's, as PostgreSQL does when a type is made.
func arrayOf(d *Description) *Description {
	a := &Description{OID: d.Array, Elem: d.OID, Name: "_" + d.Name, SQLName: d.SQLName + "[]", Len: -1, Align: 'i',
		Storage: 'x', Category: 'A'}
	if d.Align == 'd' {
		a.Align = 'd'
	}
	if d.Pseudo { // record[] and cstring[]
		a.Category, a.Pseudo = 'P', true
	}
	return a
}

// sqlNames are the spellings of the SQL grammar and the usual aliases beside the names in pg_type.
var sqlNames = map[string]uint32{
	"boolean": BoolOID, "smallint": Int2OID, "integer": Int4OID, "int": Int4OID, "bigint": Int8OID, "real": Float4OID,
	"double precision": Float8OID, "double": Float8OID, "decimal": NumericOID, "dec": NumericOID,
	"character varying": VarcharOID, "char varying": VarcharOID, "character": BpcharOID, "char": BpcharOID, `"char"`: QCharOID,
	"string": TextOID, "bit varying": VarbitOID,
	"time without time zone": TimeOID, "time with time zone": TimetzOID,
	"timestamp without time zone": TimestampOID, "timestamp with time zone": TimestamptzOID,
}

// Lookup describes the type of an OID. The result is shared: do not change it.
func Lookup(oid uint32) (*Description, bool) {
	d, ok := byOID[oid]
	return d, ok
}

// All lists every known type, arrays included, by rising OID. The descriptions are shared: do not change them.
func All() []*Description {
	all := make([]*Description, 0, len(byOID))
	for _, d := range byOID {
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b *Description) int { return int(a.OID) - int(b.OID) })
	return all
}

// ByTypname finds a type by its exact name in pg_type, as a parsed type name has it: "int4", "bpchar", "char" (the
// one-byte type), "_text". OID 0 means that there is none.
func ByTypname(name string) uint32 { return byTypname[name] }

// ByName finds a type by a name of SQL or of pg_type: "int4", "INTEGER", "character varying(10)", "numeric(10,2)",
// "_text", "text[]", "timestamp(3) with time zone", "pg_catalog.int4". Unquoted letters fold to lower case. The
// error has code 42704 when there is no such type and 22023 when its modifier is out of range.
func ByName(name string) (Type, error) {
	s, dims := trimDims(strings.Join(strings.Fields(strings.ToLower(name)), " "))
	s = strings.TrimPrefix(s, "pg_catalog.")
	s, mods, err := splitMods(s)
	if err != nil {
		return Type{}, Errorf(CodeUndefinedObject, "type \"%s\" does not exist", name)
	}
	if len(s) > 2 && s[0] == '"' && s[len(s)-1] == '"' && s != `"char"` {
		s = s[1 : len(s)-1]
	}
	if p, ok := floatPrecision(s, mods); ok {
		s, mods = p, nil
	} else if s == "float" {
		return Type{}, Errorf(CodeInvalidParameterValue, "precision for type float must be between 1 and 53 bits")
	}
	oid, ok := byName[s]
	if !ok {
		return Type{}, Errorf(CodeUndefinedObject, "type \"%s\" does not exist", name)
	}
	if s == "character" || s == "char" || s == "bit" {
		if len(mods) == 0 {
			mods = []int32{1}
		}
	}
	t, err := WithMods(oid, mods)
	if err != nil {
		return Type{}, err
	}
	if dims {
		a, ok := ArrayOf(t)
		if !ok {
			return Type{}, Errorf(CodeUndefinedObject, "type \"%s\" does not exist", name)
		}
		return a, nil
	}
	return t, nil
}

// trimDims takes "[]", "[3]" and " array" from the end. PostgreSQL ignores how many there are, and their bounds.
func trimDims(s string) (rest string, dims bool) {
	s = strings.TrimSpace(s)
	if r, ok := strings.CutSuffix(s, " array"); ok {
		return r, true
	}
	for strings.HasSuffix(s, "]") {
		i := strings.LastIndexByte(s, '[')
		if i < 0 || strings.Trim(s[i+1:len(s)-1], "0123456789 ") != "" {
			return s, dims
		}
		s, dims = strings.TrimSpace(s[:i]), true
	}
	return s, dims
}

// splitMods takes a parenthesised list of numbers out of a type name, wherever it stands.
func splitMods(s string) (string, []int32, error) {
	open := strings.IndexByte(s, '(')
	if open < 0 {
		return s, nil, nil
	}
	end := strings.IndexByte(s, ')')
	if end < open {
		return "", nil, strconv.ErrSyntax
	}
	var mods []int32
	for part := range strings.SplitSeq(s[open+1:end], ",") {
		n, err := strconv.ParseInt(strings.TrimSpace(part), 10, 32)
		if err != nil {
			return "", nil, err
		}
		mods = append(mods, int32(n))
	}
	rest := strings.TrimSpace(s[:open])
	if tail := strings.TrimSpace(s[end+1:]); tail != "" {
		rest += " " + tail
	}
	return rest, mods, nil
}

// floatPrecision chooses the type that float and float(p) mean.
func floatPrecision(s string, mods []int32) (string, bool) {
	switch {
	case s != "float" || len(mods) > 1:
		return "", false
	case len(mods) == 0:
		return "float8", true
	case mods[0] >= 1 && mods[0] <= 24:
		return "float4", true
	}
	return "float8", mods[0] > 24 && mods[0] <= 53
}

// WithMods makes a type from an OID and the numbers that stand behind its name in SQL: varchar(10), numeric(10,2),
// timestamp(3), vector(768). The error has code 22023 when they are out of range, 42601 when the type takes none.
func WithMods(oid uint32, mods []int32) (Type, error) {
	t := Of(oid)
	if len(mods) == 0 {
		return t, nil
	}
	if len(mods) > 1 && oid != NumericOID || len(mods) > 2 {
		return t, Errorf(CodeInvalidParameterValue, "invalid type modifier")
	}
	n := mods[0]
	switch oid {
	case VarcharOID, BpcharOID:
		return lengthMod(t, map[uint32]string{VarcharOID: "varchar", BpcharOID: "char"}[oid], n, 10485760, 4)
	case BitOID, VarbitOID:
		return lengthMod(t, map[uint32]string{BitOID: "bit", VarbitOID: "varbit"}[oid], n, 83886080, 0)
	case NumericOID:
		return numericMod(t, mods)
	case TimeOID, TimetzOID, TimestampOID, TimestamptzOID:
		if n < 0 {
			d, _ := Lookup(oid)
			return t, Errorf(CodeInvalidParameterValue, "%s(%d)%s precision must not be negative",
				strings.ToUpper(strings.TrimSuffix(d.Name, "tz")), n, map[bool]string{true: " WITH TIME ZONE"}[strings.HasSuffix(d.Name, "tz")])
		}
		t.Mod = min(n, 6)
		return t, nil
	case IntervalOID:
		if n < 0 {
			return t, Errorf(CodeInvalidParameterValue, "INTERVAL(%d) precision must not be negative", n)
		}
		t.Mod = intervalFullRange<<16 | min(n, 6)
		return t, nil
	case VectorOID, HalfvecOID:
		d, _ := Lookup(oid)
		if n < 1 {
			return t, Errorf(CodeInvalidParameterValue, "dimensions for type %s must be at least 1", d.Name)
		}
		if n > MaxDimensions {
			return t, Errorf(CodeInvalidParameterValue, "dimensions for type %s cannot exceed %d", d.Name, MaxDimensions)
		}
		t.Mod = n
		return t, nil
	}
	return t, Errorf(CodeSyntaxError, "type modifier is not allowed for type \"%s\"", t.name())
}

func lengthMod(t Type, name string, n, most, header int32) (Type, error) {
	if n < 1 {
		return t, Errorf(CodeInvalidParameterValue, "length for type %s must be at least 1", name)
	}
	if n > most {
		return t, Errorf(CodeInvalidParameterValue, "length for type %s cannot exceed %d", name, most)
	}
	t.Mod = n + header
	return t, nil
}

func numericMod(t Type, mods []int32) (Type, error) {
	p, s := mods[0], int32(0)
	if len(mods) == 2 {
		s = mods[1]
	}
	if p < 1 || p > 1000 {
		return t, Errorf(CodeInvalidParameterValue, "NUMERIC precision %d must be between 1 and 1000", p)
	}
	if s < -1000 || s > 1000 {
		return t, Errorf(CodeInvalidParameterValue, "NUMERIC scale %d must be between -1000 and 1000", s)
	}
	t.Mod = (p<<16 | s&0x7ff) + 4
	return t, nil
}

// intervalFullRange is the field mask of an interval without a field restriction.
const intervalFullRange = 0x7fff

// ArrayOf gives the array type of a type; it keeps the modifier.
func ArrayOf(t Type) (Type, bool) {
	d, ok := byOID[t.OID]
	if !ok || d.Array == 0 {
		return Type{}, false
	}
	return Type{OID: d.Array, Mod: t.Mod}, true
}

// ElemOf gives the element type of an array type (also of int2vector and oidvector); it keeps the modifier.
func ElemOf(t Type) (Type, bool) {
	d, ok := byOID[t.OID]
	if !ok || d.Elem == 0 {
		return Type{}, false
	}
	return Type{OID: d.Elem, Mod: t.Mod}, true
}

// IsArray reports whether the type is a true array.
func (t Type) IsArray() bool {
	d, ok := byOID[t.OID]
	return ok && d.Elem != 0 && d.OID != Int2VectorOID && d.OID != OidVectorOID
}

// Len is typlen as RowDescription carries it.
func (t Type) Len() int16 {
	if d, ok := byOID[t.OID]; ok {
		return d.Len
	}
	return -1
}

// name is pg_type's, or a number for an OID that is not known.
func (t Type) name() string {
	if d, ok := byOID[t.OID]; ok {
		return d.Name
	}
	return strconv.FormatUint(uint64(t.OID), 10)
}

// String spells the type as PostgreSQL's format_type does: "integer", "character varying(10)", "numeric(10,2)",
// "timestamp(3) with time zone", "vector(3)[]"; "???" for an OID that is not known and "-" for none.
func (t Type) String() string {
	d, ok := byOID[t.OID]
	switch {
	case t.OID == 0:
		return "-"
	case !ok:
		return "???"
	case t.IsArray():
		return Type{OID: d.Elem, Mod: t.Mod}.String() + "[]"
	case t.Mod < 0:
		if t.OID == BpcharOID && t.Mod == -1 {
			return "character" // format_type(oid, NULL); the catalog has format_type(oid, -1) say bpchar
		}
		return d.SQLName
	}
	switch t.OID {
	case VarcharOID, BpcharOID:
		return fmt.Sprintf("%s(%d)", d.SQLName, t.Mod-4)
	case NumericOID:
		p, s := NumericPrecision(t.Mod)
		return fmt.Sprintf("numeric(%d,%d)", p, s)
	case BitOID, VarbitOID, VectorOID, HalfvecOID:
		return fmt.Sprintf("%s(%d)", d.SQLName, t.Mod)
	case TimeOID, TimetzOID, TimestampOID, TimestamptzOID:
		first, rest, _ := strings.Cut(d.SQLName, " ")
		return fmt.Sprintf("%s(%d) %s", first, t.Mod, rest)
	case IntervalOID:
		if p := t.Mod & 0xffff; p <= 6 {
			return fmt.Sprintf("interval(%d)", p)
		}
	}
	return d.SQLName
}

// NumericPrecision takes a numeric modifier (>= 4) apart.
func NumericPrecision(mod int32) (precision, scale int32) {
	mod -= 4
	return mod >> 16 & 0xffff, (mod&0x7ff ^ 1024) - 1024
}
