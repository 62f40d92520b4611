package types

import "engram/db"

var kindOIDs = map[db.Kind]uint32{
	db.Bool: BoolOID, db.Int2: Int2OID, db.Int4: Int4OID, db.Int8: Int8OID, db.Float4: Float4OID, db.Float8: Float8OID,
	db.Numeric: NumericOID, db.Text: TextOID, db.Varchar: VarcharOID, db.Char: BpcharOID, db.Bytea: ByteaOID,
	db.UUID: UUIDOID, db.Date: DateOID, db.Time: TimeOID, db.Timestamp: TimestampOID, db.Timestamptz: TimestamptzOID,
	db.IntervalKind: IntervalOID, db.JSON: JSONOID, db.JSONB: JSONBOID, db.Vector: VectorOID, db.Halfvec: HalfvecOID,
	db.Bit: BitOID, db.Varbit: VarbitOID,
}

var oidKinds = func() map[uint32]db.Kind {
	m := make(map[uint32]db.Kind, len(kindOIDs))
	for k, oid := range kindOIDs {
		m[oid] = k
	}
	return m
}()

// FromDB gives the SQL type of a column type. An unknown kind gives OID 0.
func FromDB(t db.Type) Type {
	if t.Kind == db.Array {
		a, _ := ArrayOf(FromDB(db.Type{Kind: t.Elem, Mod: t.Mod}))
		return a
	}
	out := Of(kindOIDs[t.Kind])
	if t.Mod < 0 {
		return out
	}
	switch t.Kind {
	case db.Varchar, db.Char:
		out.Mod = t.Mod + 4
	case db.Numeric:
		scale := int32(int16(t.Mod & 0xffff))
		out.Mod = (t.Mod&^0xffff | scale&0x7ff) + 4
	case db.Vector, db.Halfvec, db.Bit, db.Varbit:
		out.Mod = t.Mod
	}
	return out
}

// ToDB gives the column type that stores a SQL type; false when no column may have it. The precision of times and
// intervals has no place in a column type: a caller that must keep it rounds the values itself.
func ToDB(t Type) (db.Type, bool) {
	if t.IsArray() {
		elem, _ := ElemOf(t)
		e, ok := ToDB(elem)
		if !ok || e.Kind == db.Array {
			return db.Type{}, false
		}
		return db.Type{Kind: db.Array, Elem: e.Kind, Mod: e.Mod}, true
	}
	kind, ok := oidKinds[t.OID]
	if !ok {
		return db.Type{}, false
	}
	out := db.TypeOf(kind)
	if t.Mod < 0 {
		return out, true
	}
	switch kind {
	case db.Varchar, db.Char:
		out.Mod = t.Mod - 4
	case db.Numeric:
		p, s := NumericPrecision(t.Mod)
		out.Mod = p<<16 | s&0xffff
	case db.Vector, db.Halfvec, db.Bit, db.Varbit:
		out.Mod = t.Mod
	}
	return out, true
}
