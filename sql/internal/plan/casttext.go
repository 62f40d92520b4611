package plan

import (
	"fmt"

	"engram/sql/types"
)

// castText prints a cast from one type to another in DuckDB's dialect.
func (p *printer) castText(n *node, from, to types.Type, explicit bool) {
	switch {
	case from.OID == to.OID && !isArray(to):
		p.modify(func() { p.node(n) }, to, explicit)
	case isText(to.OID):
		p.modify(func() { p.toText(from, func() { p.node(n) }) }, to, explicit)
	case isText(from.OID):
		p.modify(func() { p.fromText(to, func() { p.node(n) }) }, to, explicit)
	case isArray(from) && isArray(to):
		p.castList(n, from, to, explicit)
	case to.OID == types.JSONBOID || to.OID == types.JSONOID:
		p.fromText(to, func() { p.toText(from, func() { p.node(n) }) })
	case from.OID == types.JSONBOID:
		p.str("CAST(__engram_jsonb_", pick(to.OID == types.BoolOID, "bool", "number"), "(")
		p.node(n)
		p.str(") AS ", duckType(to), ")")
	case isBits(from.OID) && isInt(to.OID):
		p.str("CAST(__engram_bit_int(")
		p.node(n)
		p.str(") AS ", duckType(to), ")")
	case isInt(from.OID) && isBits(to.OID):
		p.str("__engram_int_bit(CAST(")
		p.node(n)
		p.str(fmt.Sprintf(" AS BIGINT), %d)", pick(to.Mod > 0, to.Mod, 1)))
	case isInt(from.OID) && to.OID == types.NumericOID && to.Mod < 4:
		p.str("CAST(")
		p.node(n)
		p.str(" AS DECIMAL(", map[uint32]string{types.Int2OID: "5", types.Int4OID: "10", types.Int8OID: "19"}[from.OID], ", 0))")
	case from.OID == types.QCharOID && isInt(to.OID):
		p.str("ascii(")
		p.node(n)
		p.str(")")
	case to.OID == types.QCharOID && isInt(from.OID):
		p.str("chr(")
		p.node(n)
		p.str(")")
	default:
		p.plainCast(n, to, explicit)
	}
}

func (p *printer) plainCast(n *node, to types.Type, explicit bool) {
	d := duckType(to)
	if d == "" {
		p.node(n)
		return
	}
	p.modify(func() {
		p.str("CAST(")
		p.node(n)
		p.str(" AS ", d, ")")
	}, to, explicit)
}

// modify applies a type's modifier to a value of the type: length, dimension, precision.
func (p *printer) modify(inner func(), t types.Type, explicit bool) {
	if t.Mod < 0 || !explicit && t.OID != types.NumericOID && !isMoment(t.OID) { // a column checks by itself, and refuses rather than cuts
		inner()
		return
	}
	wrap := func(before, after string) {
		p.str(before)
		inner()
		p.str(after)
	}
	switch t.OID {
	case types.VarcharOID:
		wrap("left(", fmt.Sprintf(", %d)", t.Mod-4))
	case types.BpcharOID:
		n := t.Mod - 4
		wrap("rpad(left(rtrim(", fmt.Sprintf(", ' '), %d), %d, ' ')", n, n))
	case types.NumericOID:
		wrap("CAST(", " AS "+duckType(t)+")")
	case types.VectorOID, types.HalfvecOID:
		wrap("__engram_vector_dimension(", fmt.Sprintf(", %d)", t.Mod))
	case types.TimestampOID, types.TimestamptzOID:
		if t.Mod >= 6 {
			inner()
			return
		}
		unit := 1
		for i := t.Mod; i < 6; i++ {
			unit *= 10
		}
		wrap(pick(t.OID == types.TimestampOID, "make_timestamp", "make_timestamptz")+"(CAST(round(epoch_us(",
			fmt.Sprintf(") / %d.0) * %d AS BIGINT))", unit, unit))
	case types.BitOID, types.VarbitOID:
		wrap("__engram_bits(", fmt.Sprintf(", %d, %s)", t.Mod, pick(t.OID == types.BitOID, "TRUE", "FALSE")))
	default:
		inner()
	}
}

// toText prints a value as text, as the type's output function does.
func (p *printer) toText(from types.Type, inner func()) {
	wrap := func(before, after string) {
		p.str(before)
		inner()
		p.str(after)
	}
	switch oid := from.OID; {
	case oid == types.BpcharOID:
		wrap("rtrim(", ", ' ')")
	case isText(oid) || isJSON(oid) || isBits(oid) || duckType(from) == "VARCHAR":
		inner()
	case isFloat(oid) || isVector(oid) || oid == types.IntervalOID || oid == types.ByteaOID:
		d, _ := types.Lookup(oid)
		name := "__engram_out_" + pick(oid == types.HalfvecOID, "vector", d.Name)
		p.str(name, "(")
		p.sessionArgument(name)
		inner()
		p.str(")")
	case from.OID == types.Int2VectorOID || from.OID == types.OidVectorOID: // numbers with spaces between
		wrap("translate(replace(CAST(", " AS VARCHAR), ', ', ' '), '[]', '')")
	case isArray(from):
		e, _ := types.ElemOf(from)
		p.str("__engram_out_array(list_transform(")
		inner()
		p.str(", lambda __engram_e: ")
		p.toText(e, func() { p.str("__engram_e") })
		p.str("))")
	default:
		wrap("CAST(", " AS VARCHAR)")
	}
}

// fromText prints the reading of a text, as the type's input function does.
func (p *printer) fromText(to types.Type, inner func()) {
	wrap := func(before, after string) {
		p.str(before)
		inner()
		p.str(after)
	}
	switch oid := to.OID; {
	case isText(oid):
		inner()
	case oid == types.NumericOID:
		wrap("CAST(__engram_in_numeric(", ") AS "+duckType(to)+")")
	case to.IsArray():
		e, _ := types.ElemOf(to)
		p.str("list_transform(__engram_in_array(")
		inner()
		p.str("), lambda __engram_e: ")
		p.fromText(e, func() { p.str("__engram_e") })
		p.str(")")
	case inputFunctions[oid] != "":
		p.str(inputFunctions[oid], "(")
		p.sessionArgument(inputFunctions[oid])
		inner()
		p.str(")")
	case duckType(to) == "VARCHAR":
		inner()
	default:
		wrap("CAST(", " AS "+duckType(to)+")")
	}
}

// sessionArgument prints the token where one of our functions wants it.
func (p *printer) sessionArgument(name string) {
	if f := builtins()[name]; f != nil && f.Session {
		p.token()
		p.str(", ")
	}
}

// inputFunctions are ours, where DuckDB's cast from text accepts other texts than PostgreSQL's: see inout.go.
var inputFunctions = map[uint32]string{
	types.BoolOID: "__engram_in_bool", types.Int2OID: "__engram_in_int2", types.Int4OID: "__engram_in_int4", types.Int8OID: "__engram_in_int8",
	types.Float4OID: "__engram_in_float4", types.Float8OID: "__engram_in_float8", types.ByteaOID: "__engram_in_bytea",
	types.DateOID: "__engram_in_date", types.TimeOID: "__engram_in_time", types.TimestampOID: "__engram_in_timestamp",
	types.TimestamptzOID: "__engram_in_timestamptz", types.IntervalOID: "__engram_in_interval", types.UUIDOID: "__engram_in_uuid",
	types.VectorOID: "__engram_in_vector", types.HalfvecOID: "__engram_in_halfvec", types.JSONOID: "__engram_in_json",
	types.JSONBOID: "__engram_in_jsonb", types.OidOID: "__engram_in_oid", types.BitOID: "__engram_in_varbit",
	types.VarbitOID: "__engram_in_varbit",
}

func (p *printer) castList(n *node, from, to types.Type, explicit bool) {
	f, _ := types.ElemOf(from)
	t, _ := types.ElemOf(to)
	if isText(f.OID) && isText(t.OID) && t.Mod < 0 || isOID(f.OID) && isOID(t.OID) || f.OID == t.OID && t.Mod < 0 {
		p.node(n)
		return
	}
	if !isText(f.OID) && !isText(t.OID) {
		p.plainCast(n, types.Type{OID: to.OID, Mod: to.Mod}, explicit)
		return
	}
	elem := &node{typ: f, out: func(p *printer) { p.str("__engram_e") }}
	p.str("list_transform(")
	p.node(n)
	p.str(", lambda __engram_e: ")
	p.castText(elem, f, t, explicit)
	p.str(")")
}
