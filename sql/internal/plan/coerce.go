package plan

import (
	"strconv"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// castLevel says how willingly PostgreSQL casts.
type castLevel uint8

const (
	implicit   castLevel = iota // in expressions
	assignment                  // into columns
	explicit                    // written as a cast
)

// numberRank orders the numeric types by what arithmetic promotes to.
var numberRank = map[uint32]int{types.Int2OID: 1, types.Int4OID: 2, types.Int8OID: 3, types.NumericOID: 4, types.Float4OID: 5, types.Float8OID: 6}

func isInt(oid uint32) bool    { r := numberRank[oid]; return r >= 1 && r <= 3 }
func isNumber(oid uint32) bool { return numberRank[oid] > 0 }
func isFloat(oid uint32) bool  { return oid == types.Float4OID || oid == types.Float8OID }
func isVector(oid uint32) bool { return oid == types.VectorOID || oid == types.HalfvecOID }
func isJSON(oid uint32) bool   { return oid == types.JSONOID || oid == types.JSONBOID }
func isBits(oid uint32) bool   { return oid == types.BitOID || oid == types.VarbitOID }
func isArray(t types.Type) bool {
	return t.IsArray() || t.OID == types.Int2VectorOID || t.OID == types.OidVectorOID
}

// isText reports whether values of a type are strings to DuckDB and compare as such.
func isText(oid uint32) bool {
	switch oid {
	case types.TextOID, types.VarcharOID, types.BpcharOID, types.NameOID, types.QCharOID, types.CstringOID, types.UnknownOID:
		return true
	}
	return false
}

// isOID reports whether a type is an object identifier with or without a name.
func isOID(oid uint32) bool {
	switch oid {
	case types.OidOID, types.RegclassOID, types.RegtypeOID, types.RegprocOID, types.RegprocedureOID, types.RegoperOID,
		types.RegoperatorOID, types.RegnamespaceOID, types.RegroleOID, types.RegcollationOID, types.RegconfigOID, types.RegdictionaryOID:
		return true
	}
	return false
}

func isReg(oid uint32) bool { return isOID(oid) && oid != types.OidOID }

// pair is a cast's two ends.
type pair struct{ from, to uint32 }

// castContexts are PostgreSQL's casts (and pgvector's) beside the rules of castContext.
var castContexts = map[pair]castLevel{
	{types.DateOID, types.TimestampOID}: implicit, {types.DateOID, types.TimestamptzOID}: implicit,
	{types.TimestampOID, types.TimestamptzOID}: implicit, {types.TimeOID, types.IntervalOID}: implicit,
	{types.TimeOID, types.TimetzOID}:      implicit,
	{types.TimestampOID, types.DateOID}:   assignment,
	{types.TimestampOID, types.TimeOID}:   assignment,
	{types.TimestamptzOID, types.DateOID}: assignment, {types.TimestamptzOID, types.TimeOID}: assignment,
	{types.TimestamptzOID, types.TimestampOID}: assignment, {types.TimestamptzOID, types.TimetzOID}: assignment,
	{types.IntervalOID, types.TimeOID}: assignment, {types.TimetzOID, types.TimeOID}: assignment,
	{types.JSONOID, types.JSONBOID}: assignment, {types.JSONBOID, types.JSONOID}: assignment,
	{types.BoolOID, types.Int4OID}: explicit, {types.Int4OID, types.BoolOID}: explicit,
	{types.BitOID, types.VarbitOID}: implicit, {types.VarbitOID, types.BitOID}: implicit,
	{types.BitOID, types.Int4OID}: explicit, {types.BitOID, types.Int8OID}: explicit,
	{types.Int4OID, types.BitOID}: explicit, {types.Int8OID, types.BitOID}: explicit,
	{types.Int4OID, types.QCharOID}: explicit, {types.QCharOID, types.Int4OID}: explicit,
	{types.VectorOID, types.HalfvecOID}: assignment, {types.HalfvecOID, types.VectorOID}: implicit,
	{types.VectorOID, types.Float4ArrayOID}: implicit, {types.HalfvecOID, types.Float4ArrayOID}: assignment,
	{types.JSONBOID, types.BoolOID}: explicit, {types.JSONBOID, types.NumericOID}: explicit,
	{types.JSONBOID, types.Int2OID}: explicit, {types.JSONBOID, types.Int4OID}: explicit, {types.JSONBOID, types.Int8OID}: explicit,
	{types.JSONBOID, types.Float4OID}: explicit, {types.JSONBOID, types.Float8OID}: explicit,
	{types.PgNodeTreeOID, types.TextOID}:      implicit,
	{types.Int2VectorOID, types.Int2ArrayOID}: implicit, {types.OidVectorOID, types.OidArrayOID}: implicit,
	{types.Int2ArrayOID, types.Int2VectorOID}: explicit, {types.OidArrayOID, types.OidVectorOID}: explicit,
}

// castContext gives the most reserved context in which PostgreSQL casts from one type to another.
func castContext(from, to types.Type) (castLevel, bool) {
	if from.OID == to.OID || from.OID == types.UnknownOID || from.OID == 0 || to.OID == types.AnyOID {
		return implicit, true
	}
	if c, ok := castContexts[pair{from.OID, to.OID}]; ok {
		return c, true
	}
	if a, b := numberRank[from.OID], numberRank[to.OID]; a > 0 && b > 0 {
		return pick(a < b, implicit, assignment), true
	}
	if isText(from.OID) && isText(to.OID) {
		if to.OID == types.QCharOID || to.OID == types.CstringOID {
			return assignment, true
		}
		return implicit, true
	}
	if isOID(from.OID) && isOID(to.OID) && (from.OID == types.OidOID || to.OID == types.OidOID) {
		return implicit, true
	}
	if isInt(from.OID) && isOID(to.OID) {
		return implicit, true
	}
	if isOID(from.OID) && (to.OID == types.Int8OID || to.OID == types.Int4OID) {
		return assignment, true
	}
	if to.OID == types.RegclassOID && isText(from.OID) {
		return implicit, true
	}
	if c, ok := arrayContext(from, to); ok {
		return c, true
	}
	if isText(to.OID) { // through the output function
		return assignment, to.OID != types.QCharOID
	}
	if isText(from.OID) { // through the input function
		return explicit, true
	}
	return explicit, false
}

func arrayContext(from, to types.Type) (castLevel, bool) {
	if !from.IsArray() && from.OID != types.Int2VectorOID && from.OID != types.OidVectorOID {
		return explicit, false
	}
	if isVector(to.OID) {
		e, _ := types.ElemOf(from)
		return assignment, isNumber(e.OID)
	}
	if to.OID == types.AnyArrayOID {
		return implicit, true
	}
	if to.IsArray() {
		f, _ := types.ElemOf(from)
		t, _ := types.ElemOf(to)
		return castContext(f, t)
	}
	return explicit, false
}

// coercible reports whether n may stand where t is wanted.
func coercible(n *node, t types.Type, c castLevel) bool {
	least, ok := castContext(n.Type(), t)
	return ok && least <= c
}

// coerce makes n a t, or fails with 42804 (or 42846 for a written cast).
func (a *analyzer) coerce(n *node, t types.Type, c castLevel, loc int32) *node {
	if t.OID == 0 || t.OID == types.UnknownOID || t.OID == types.AnyOID {
		return n
	}
	if n.isUnknown() {
		return a.coerceUnknown(n, t, c, loc)
	}
	if n.kind == rowNode && t.OID == types.RecordOID {
		return n
	}
	from := n.Type()
	if !coercible(n, t, c) {
		if c == explicit {
			a.fail(loc, types.CodeCannotCoerce, "cannot cast type %s to %s", from, t)
		}
		a.fail(loc, types.CodeDatatypeMismatch, "expression of type %s cannot be used where %s is expected", from, t)
	}
	if from.OID == t.OID && (t.Mod < 0 || t.Mod == from.Mod) {
		return n
	}
	return a.cast(n, t, c)
}

// coerceUnknown gives an untyped literal or parameter its type.
func (a *analyzer) coerceUnknown(n *node, t types.Type, c castLevel, loc int32) *node {
	switch n.kind {
	case paramNode:
		a.params[n.param-1] = types.Of(t.OID)
		if t.Mod >= 0 && c != implicit {
			return a.cast(n, t, c)
		}
		return n
	case constNode:
		if n.value == nil {
			out := constant(t, nil)
			out.loc = n.loc
			return out
		}
		return a.literalOf(n, t, c)
	}
	return a.cast(n, t, c) // an expression whose type only DuckDB knows
}

// literalOf reads an untyped literal as a t.
func (a *analyzer) literalOf(n *node, t types.Type, c castLevel) *node {
	s, ok := n.value.(string)
	if !ok {
		return a.cast(n, t, c)
	}
	switch {
	case isReg(t.OID):
		return a.regLiteral(s, t, n.loc)
	case t.OID == types.RecordOID || t.OID == types.AnyArrayOID:
		a.unsupported(n.loc, "a literal of type "+t.String())
	case t.OID == types.NameOID:
		return constant(t, truncateName(s))
	}
	read := t
	if c != explicit && (t.OID == types.VarcharOID || t.OID == types.BpcharOID) {
		read.Mod = -1 // the column itself checks the length
	}
	if c == explicit && (t.OID == types.VarcharOID || t.OID == types.BpcharOID || t.OID == types.BitOID || t.OID == types.VarbitOID) && t.Mod >= 0 {
		v, err := castValue(&Env{Style: a.style}, types.Of(types.TextOID), t, s, true)
		a.check(n.loc, err)
		return constant(t, v)
	}
	v, err := types.ParseText(read, s, a.style)
	a.check(n.loc, err)
	if isMoment(t.OID) && momentWord(s) {
		a.plan.Volatile = true
	}
	out := constant(t, v)
	out.loc = n.loc
	return out
}

func isMoment(oid uint32) bool {
	return oid == types.DateOID || oid == types.TimestampOID || oid == types.TimestamptzOID || oid == types.TimeOID || oid == types.TimetzOID
}

// momentWord reports whether a literal names a moment relative to now.
func momentWord(s string) bool {
	s = strings.ToLower(s)
	for _, w := range []string{"now", "today", "tomorrow", "yesterday"} {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// regLiteral is 'name'::regclass and its kin: a number stays one, a name is looked up when the query runs.
func (a *analyzer) regLiteral(s string, t types.Type, loc int32) *node {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		return constant(t, int64(n))
	}
	if s == "-" {
		return constant(t, int64(0))
	}
	return a.sessionCall(regName(t.OID)+"in", t, loc, constant(types.Of(types.TextOID), s))
}

// regName is the name of a reg type, as its input and output functions have it.
func regName(oid uint32) string {
	d, _ := types.Lookup(oid)
	return d.Name
}

// sessionCall calls a function of the catalog or the session, in either road.
func (a *analyzer) sessionCall(name string, t types.Type, loc int32, args ...*node) *node {
	n := with(t, loc, args, template("__engram_pg_"+name+"($@, $*)", args),
		lax(args, func(env *Env, v []any) (any, error) { return callSession(env, name, v) }))
	n.props |= hasSession
	return n
}

func callSession(env *Env, name string, args []any) (any, error) {
	if env.Call == nil {
		return nil, types.Errorf(types.CodeFeatureNotSupported, "function %s cannot be called here", name)
	}
	return env.Call(env.ctx(), name, args)
}

// cast converts a typed node; the conversion is known to exist.
func (a *analyzer) cast(n *node, t types.Type, c castLevel) *node {
	from := n.Type()
	if n.kind == constNode && n.value != nil && n.run != nil && !isReg(from.OID) && !isReg(t.OID) {
		if v, err := castValue(&Env{Style: a.style}, from, t, n.value, c == explicit); err == nil {
			out := constant(t, v)
			out.loc = n.loc
			return out
		} else if e, ok := err.(*types.Error); ok && e.Code != types.CodeFeatureNotSupported {
			a.check(n.loc, err)
		}
	}
	args := []*node{n}
	if isReg(from.OID) && isText(t.OID) {
		return a.sessionCall(regName(from.OID)+"out", t, n.loc, n)
	}
	if isText(from.OID) && isReg(t.OID) {
		return a.sessionCall(regName(t.OID)+"in", t, n.loc, n)
	}
	exp := c == explicit
	out := with(t, n.loc, args, nil, strict(args, func(env *Env, v []any) (any, error) {
		return castValue(env, n.Type(), t, v[0], exp)
	}))
	out.out = func(p *printer) { p.castText(n, n.Type(), t, exp) }
	return out
}

// typeName resolves a type's name as written.
func (a *analyzer) typeName(t *pgquery.TypeName) types.Type {
	names := make([]string, 0, 2)
	for _, n := range t.Names {
		names = append(names, n.GetString_().GetSval())
	}
	if t.Setof || t.PctType || len(names) == 0 {
		a.unsupported(t.Location, "this form of type name")
	}
	name := names[len(names)-1]
	oid := types.ByTypname(name)
	if name == "serial" || name == "bigserial" || name == "smallserial" || name == "serial4" || name == "serial8" || name == "serial2" {
		oid = 0
	}
	if oid == 0 || len(names) > 1 && names[0] != "pg_catalog" && names[0] != "public" {
		a.fail(t.Location, types.CodeUndefinedObject, "type \"%s\" does not exist", strings.Join(names, "."))
	}
	var mods []int32
	for _, m := range t.Typmods {
		c := m.GetAConst()
		if c == nil || c.GetIval() == nil && c.GetFval() == nil {
			a.fail(t.Location, types.CodeSyntaxError, "type modifiers must be simple constants or identifiers")
		}
		if c.GetFval() != nil {
			a.fail(t.Location, types.CodeInvalidParameterValue, "type modifier is out of range")
		}
		mods = append(mods, c.GetIval().Ival)
	}
	if oid == types.IntervalOID {
		mods = intervalMods(mods)
	}
	out, err := types.WithMods(oid, mods)
	a.check(t.Location, err)
	if len(t.ArrayBounds) > 0 {
		arr, ok := types.ArrayOf(out)
		if !ok {
			a.fail(t.Location, types.CodeUndefinedObject, "type \"%s[]\" does not exist", name)
		}
		return arr
	}
	return out
}

// intervalMods drops the field mask that the grammar puts before an interval's precision: a full one says nothing, and
// one of its fields only restricts what literals mean.
func intervalMods(mods []int32) []int32 {
	if len(mods) == 2 {
		return mods[1:]
	}
	return nil
}

func truncateName(s string) string {
	if len(s) <= maxNameBytes {
		return s
	}
	cut := maxNameBytes
	for cut > 0 && s[cut]&0xC0 == 0x80 {
		cut--
	}
	return s[:cut]
}
