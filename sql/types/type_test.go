package types

import (
	"errors"
	"io"
	"testing"

	"engram/db"
)

func TestByName(t *testing.T) {
	for name, want := range map[string]string{
		"int": "integer", "INTEGER": "integer", "int4": "integer", "pg_catalog.int8": "bigint", "smallint": "smallint", "float": "double precision",
		"float(24)": "real", "float(25)": "double precision", "double  precision": "double precision", "decimal": "numeric", "numeric(10)": "numeric(10,0)", "numeric(5, -2)": "numeric(5,-2)",
		"character varying(10)": "character varying(10)", "varchar": "character varying", "char": "character(1)", "character(3)": "character(3)", `"char"`: `"char"`, "bpchar": "character",
		"text[]": "text[]", "_text": "text[]", "text[][]": "text[]", "int[3]": "integer[]", "int array": "integer[]", "varchar(3)[]": "character varying(3)[]",
		"timestamp": "timestamp without time zone", "timestamp(3) with time zone": "timestamp(3) with time zone", "timestamptz(3)": "timestamp(3) with time zone", "time(0)": "time(0) without time zone",
		"interval": "interval", "interval(2)": "interval(2)", "bit": "bit(1)", "bit(3)": "bit(3)", "bit varying(5)": "bit varying(5)", "varbit": "bit varying",
		"vector": "vector", "vector(768)": "vector(768)", "halfvec(3)[]": "halfvec(3)[]", "jsonb": "jsonb", `"int4"`: "integer", "record": "record", "regclass": "regclass", "name": "name", "oidvector": "oidvector",
	} {
		got, err := ByName(name)
		if err != nil || got.String() != want {
			t.Errorf("%s: %s %v, want %s", name, got, err, want)
		}
	}
	for name, code := range map[string]string{
		"": "42704", "nosuch": "42704", "int(": "42704", "int(3)": "42601", "varchar(0)": "22023", "varchar(99999999)": "22023", "vector(0)": "22023", "vector(16001)": "22023", "numeric(0)": "22023",
		"numeric(1001)": "22023", "numeric(5,2000)": "22023", "varchar(1,2)": "22023", "float(54)": "22023", "bit(0)": "22023", "time(-1)": "22023", "interval(-1)": "22023", "numeric(1,2,3)": "22023", "unknown[]": "42704", "int]": "42704",
	} {
		got, err := ByName(name)
		var e *Error
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("%q: %s %v, want %s", name, got, err, code)
		}
	}
	if ByTypname("char") != QCharOID || ByTypname("bpchar") != BpcharOID || ByTypname("integer") != 0 {
		t.Error("names of pg_type are not names of SQL")
	}
	if Of(99999).String() != "???" || Of(0).String() != "-" {
		t.Error("names of what is not there")
	}
}

func TestDescriptions(t *testing.T) {
	seen := map[uint32]string{}
	for _, d := range All() {
		if other, twice := seen[d.OID]; twice {
			t.Errorf("%d is %s and %s", d.OID, d.Name, other)
		}
		seen[d.OID] = d.Name
		if d.Array != 0 {
			a, ok := Lookup(d.Array)
			if !ok || a.Elem != d.OID || !Of(d.Array).IsArray() || a.Name != "_"+d.Name {
				t.Errorf("array of %s: %+v", d.Name, a)
			}
		}
	}
	if Of(Int2VectorOID).IsArray() || Of(TextOID).IsArray() || Of(99999).Len() != -1 || Of(UUIDOID).Len() != 16 {
		t.Error("lengths")
	}
}

func TestColumnTypes(t *testing.T) {
	for name := range map[string]bool{"boolean": true, "smallint": true, "integer": true, "bigint": true, "real": true, "double precision": true, "numeric": true, "numeric(10,3)": true, "numeric(3,-2)": true, "text": true,
		"character varying": true, "character varying(7)": true, "character(3)": true, "bytea": true, "uuid": true, "date": true, "time without time zone": true, "timestamp without time zone": true,
		"timestamp with time zone": true, "interval": true, "json": true, "jsonb": true, "vector": true, "vector(3)": true, "halfvec(5)": true, "bit(4)": true, "bit varying(9)": true, "bit varying": true, "text[]": true, "numeric(4,1)[]": true} {
		typ, err := ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		column, ok := ToDB(typ)
		if !ok {
			t.Errorf("no column can be %s", name)
			continue
		}
		if back := FromDB(column); back != typ {
			t.Errorf("%s becomes %s (%v)", name, back, column)
		}
		if typ.OID != NumericOID && column.String() != name && column.Kind != db.Array {
			t.Errorf("db calls %s %s", name, column)
		}
	}
	for _, oid := range []uint32{OidOID, RegclassOID, RecordOID, VoidOID, NameOID, SparsevecOID, RecordArrayOID, 99999} {
		if c, ok := ToDB(Of(oid)); ok {
			t.Errorf("%s becomes the column type %v", Of(oid), c)
		}
	}
}

func TestErrors(t *testing.T) {
	e := Errorf(CodeIOError, "reading %s: %w", "x", io.ErrUnexpectedEOF).WithDetail("d%d", 1).WithHint("h%%").At(4)
	if !errors.Is(e, io.ErrUnexpectedEOF) || e.Message != "reading x: unexpected EOF" || e.Detail != "d1" || e.Hint != "h%" || e.Position != 4 ||
		e.Severity != "ERROR" || e.Error() != "reading x: unexpected EOF (SQLSTATE 58030)" {
		t.Errorf("%+v", e)
	}
}

func TestStyles(t *testing.T) {
	st := &Style{}
	for _, step := range []struct{ set, want string }{{"", "ISO, MDY"}, {"dmy", "ISO, DMY"}, {"German", "German, DMY"}, {"SQL, European", "SQL, DMY"}, {"postgres,us", "Postgres, MDY"}, {"iso", "ISO, MDY"}, {"YMD", "ISO, YMD"}, {"default", "ISO, MDY"}} {
		if err := st.SetDateStyle(step.set); err != nil || st.DateStyle() != step.want {
			t.Errorf("%q gives %s (%v), want %s", step.set, st.DateStyle(), err, step.want)
		}
	}
	for _, bad := range []string{"nonsense", "iso, sql", "mdy, dmy"} {
		if err := st.SetDateStyle(bad); err == nil || st.DateStyle() != "ISO, MDY" {
			t.Errorf("%q is taken: %s", bad, st.DateStyle())
		}
	}
	for _, name := range []string{"postgres", "postgres_verbose", "sql_standard", "iso_8601"} {
		if !st.SetIntervalStyle(name) || st.IntervalStyle.String() != name {
			t.Error(name)
		}
	}
	if st.SetIntervalStyle("x") {
		t.Error("x is an interval style")
	}
	for _, zone := range []string{"", "Local", "Mars/Base", "../etc/passwd", "EST99", "1e9", "<+03", "A5", "localtime/../x"} {
		if loc, err := LoadZone(zone); err == nil {
			t.Errorf("%q is a zone: %s", zone, loc)
		}
	}
	if ZoneName(nil) != "UTC" {
		t.Error("the default zone")
	}
}

// TestCatalogValues checks the forms that only catalogs use.
func TestCatalogValues(t *testing.T) {
	for _, test := range []struct {
		oid          uint32
		value        any
		text, binary string
	}{
		{RegclassOID, Named{1259, "pg_class"}, "pg_class", "\x00\x00\x04\xeb"},
		{RegtypeOID, int64(23), "23", "\x00\x00\x00\x17"},
		{RegprocOID, "-", "-", "\x00\x00\x00\x00"},
		{TidOID, "(1,2)", "(1,2)", "\x00\x00\x00\x01\x00\x02"},
		{PgLsnOID, "1/16B3748", "1/16B3748", "\x00\x00\x00\x01\x01\x6b\x37\x48"},
		{InetOID, "10.0.0.1", "10.0.0.1", "\x02\x20\x00\x04\x0a\x00\x00\x01"},
		{CidrOID, "10.0.0.0/8", "10.0.0.0/8", "\x02\x08\x01\x04\x0a\x00\x00\x00"},
		{InetOID, "::1", "::1", "\x03\x80\x00\x10\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"},
		{QCharOID, "", "", "\x00"}, {QCharOID, "r", "r", "r"}, {VoidOID, nil, "", ""},
		{OidVectorOID, []any{int64(1), int64(2)}, "1 2", "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x1a\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00\x02"},
		{RecordOID, []any{int64(1), nil, "a b", `q"`}, `(1,,"a b","q""")`, "\x00\x00\x00\x04\x00\x00\x00\x14\x00\x00\x00\x08\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x19\xff\xff\xff\xff\x00\x00\x00\x19\x00\x00\x00\x03a b\x00\x00\x00\x19\x00\x00\x00\x02q\""},
		{RecordOID, Record{[]Type{Of(Int4OID)}, []any{int64(1)}}, "(1)", "\x00\x00\x00\x01\x00\x00\x00\x17\x00\x00\x00\x04\x00\x00\x00\x01"},
		{Int4ArrayOID, []any{[]any{int64(1)}, []any{nil}}, "{{1},{NULL}}", "\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x17\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x04\x00\x00\x00\x01\xff\xff\xff\xff"},
		{99999, "anything", "anything", "anything"},
	} {
		text, err := AppendText(nil, Of(test.oid), test.value, nil)
		if err != nil || string(text) != test.text {
			t.Errorf("%s: text %q %v", Of(test.oid), text, err)
		}
		b, err := AppendBinary(nil, Of(test.oid), test.value)
		if err != nil || string(b) != test.binary {
			t.Errorf("%s: binary %x %v", Of(test.oid), b, err)
		}
		if s, ok := test.value.(string); ok && test.oid != RegprocOID {
			if back, err := ParseBinary(Of(test.oid), b); err != nil || back != s {
				t.Errorf("%s comes back %v %v", Of(test.oid), back, err)
			}
		}
	}
	for oid, v := range map[uint32]any{Int4OID: "x", TextOID: int64(1), BoolOID: int64(1), VectorOID: "x", DateOID: int64(1), TimestampOID: "x", UUIDOID: []byte{1}, RecordOID: 1,
		Int4ArrayOID: "x", OidVectorOID: []any{"x"}, IntervalOID: int64(1), NumericOID: 1.5, ByteaOID: "x", Float8OID: "x"} {
		if text, err := AppendText(nil, Of(oid), v, nil); err == nil {
			t.Errorf("%v (%T) is a %s: %s", v, v, Of(oid), text)
		}
		if b, err := AppendBinary(nil, Of(oid), v); err == nil {
			t.Errorf("%v (%T) is a %s: %x", v, v, Of(oid), b)
		}
	}
	for _, oid := range []uint32{AclitemOID, TsvectorOID} {
		if _, err := AppendBinary(nil, Of(oid), "x"); err == nil {
			t.Errorf("%s has a binary form", Of(oid))
		}
	}
	if _, err := AppendBinary(nil, Of(Int4ArrayOID), []any{[]any{int64(1)}, []any{}}); err == nil {
		t.Error("a ragged array was written")
	}
	if _, err := AppendBinary(nil, Of(Int2OID), int64(40000)); err == nil {
		t.Error("40000 is an int2")
	}
}
