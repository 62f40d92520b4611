package types

import (
	"testing"
	"unicode/utf8"
)

// FuzzParseText reads any text as any type: no panic; what is read can be written, read again and is then the same;
// what is refused is refused by an *Error with a code and words.
func FuzzParseText(f *testing.F) {
	for name, texts := range compared {
		typ, err := ByName(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, text := range texts {
			f.Add(typ.OID, typ.Mod, text)
		}
	}
	f.Add(VectorOID, int32(3), "[1,2,3]")
	f.Add(HalfvecOID, int32(-1), "[1e-8,2]")
	f.Fuzz(func(t *testing.T, oid uint32, mod int32, text string) {
		typ := Type{oid, boundMod(oid, mod)}
		v, err := ParseText(typ, text, nil)
		if err != nil {
			checkError(t, err)
			return
		}
		again(t, typ, v)
	})
}

// boundMod keeps a modifier among those that a column could have.
func boundMod(oid uint32, mod int32) int32 {
	if mod < 0 || mod > 1<<20 && oid != NumericOID && oid != NumericArrayOID && oid != IntervalOID {
		return -1
	}
	return mod
}

func checkError(t *testing.T, err error) {
	t.Helper()
	e, ok := err.(*Error)
	if !ok || len(e.Code) != 5 || e.Message == "" {
		t.Fatalf("%#v is no proper error", err)
	}
}

// again writes a value in both forms and reads them.
func again(t *testing.T, typ Type, v any) {
	t.Helper()
	if v == nil {
		return
	}
	b, err := AppendBinary([]byte{}, typ, v)
	if err != nil {
		checkError(t, err) // types without a binary form
		return
	}
	if back, err := ParseBinary(typ, b); err != nil {
		checkError(t, err)
	} else if _, err := AppendBinary(nil, typ, back); err != nil {
		t.Fatalf("%s: %#v comes back as %#v: %v", typ, v, back, err)
	}
	text, err := AppendText(nil, typ, v, nil)
	if err != nil {
		t.Fatalf("%s: %#v has a binary but no text form: %v", typ, v, err)
	}
	if !utf8.Valid(text) {
		t.Fatalf("%s: the text of %#v is not UTF-8", typ, v)
	}
}

// FuzzParseBinary reads any bytes as any type.
func FuzzParseBinary(f *testing.F) {
	for name, texts := range compared {
		typ, err := ByName(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, text := range texts {
			if v, err := ParseText(typ, text, nil); err == nil && v != nil {
				if b, err := AppendBinary(nil, typ, v); err == nil {
					f.Add(typ.OID, typ.Mod, b)
				}
			}
		}
	}
	f.Add(VectorOID, int32(-1), []byte{0, 1, 0, 0, 0x3f, 0x80, 0, 0})
	f.Fuzz(func(t *testing.T, oid uint32, mod int32, b []byte) {
		typ := Type{oid, boundMod(oid, mod)}
		v, err := ParseBinary(typ, b)
		if err != nil {
			checkError(t, err)
			return
		}
		again(t, typ, v)
	})
}

// FuzzNames looks any name up.
func FuzzNames(f *testing.F) {
	for _, s := range []string{"numeric(10,2)[]", "timestamp(3) with time zone", `"char"`, "int array", "float(53)", "a(b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		typ, err := ByName(name)
		if err != nil {
			checkError(t, err)
			return
		}
		if back, err := ByName(typ.String()); err != nil || back != typ && typ.OID != BpcharOID {
			t.Fatalf("%q is %s, which is %v %v", name, typ, back, err)
		}
		LoadZone(name)
	})
}
