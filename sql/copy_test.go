package sql

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"

	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// TestCopyRoundTrips sends a table out in each format and takes it back in.
func TestCopyRoundTrips(t *testing.T) {
	s := testSession(t, testEngine(t))
	must(t, s, `CREATE TABLE a (id int PRIMARY KEY, t text, n numeric(10,2), d date, ts timestamptz, b bytea, j jsonb, u uuid, v vector(3), l int[], i interval, f float8)`)
	must(t, s, `INSERT INTO a VALUES
		(1, E'tab\there, "quote", back\\slash\nline', 12.50, '2024-02-29', '2024-01-01 00:00:00+00', '\x00ff', '{"k": [1, null]}', 'a3bb189e-8bf9-3888-9912-ace4e6543002', '[1,2.5,-3]', '{1,2,NULL}', '1 mon 2 days 03:04:05', 0.1),
		(2, '', -0.01, NULL, 'infinity', '', '"x"', NULL, NULL, '{}', '-1 day', 'NaN'),
		(3, '\N', NULL, '-infinity', NULL, NULL, 'null', NULL, '[0,0,0]', NULL, NULL, '-Infinity'),
		(4, NULL, 0, '0044-03-15 BC', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
		(5, '\.', 0, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`)
	want := must(t, s, "SELECT * FROM a ORDER BY id")
	for _, format := range []string{"text", "csv", "binary", "csv, HEADER, QUOTE '''', DELIMITER ';', NULL 'nil'", "text, DELIMITER '|', NULL 'nil', HEADER"} {
		w := &script{}
		if out := doWith(s, "COPY a TO STDOUT WITH (FORMAT "+format+")", w); !strings.HasSuffix(out, "(COPY 5)\n") {
			t.Fatalf("%s: %s", format, out)
		}
		data := strings.TrimSuffix(w.out.String(), "(COPY 5)\n")
		must(t, s, "DROP TABLE IF EXISTS b; CREATE TABLE b (LIKE a INCLUDING ALL)")
		if out := doWith(s, "COPY b FROM STDIN WITH (FORMAT "+format+")", &script{in: strings.NewReader(data)}); out != "(COPY 5)\n" {
			t.Fatalf("%s: %s\n%s", format, out, data)
		}
		if got := must(t, s, "SELECT * FROM b ORDER BY id"); got != want {
			t.Errorf("%s:\n%s\nwant\n%s", format, got, want)
		}
	}
}

func TestCopyErrorsSayWhere(t *testing.T) {
	s := testSession(t, testEngine(t))
	must(t, s, "CREATE TABLE t (id int, v text)")
	for _, c := range []struct{ options, data, code, where string }{
		{"", "1\ta\nx\tb\n", "22P02", `COPY t, line 2, column id: "x"`},
		{"", "1\n", "22P04", "COPY t, line 1"},
		{"", "1\ta\tb\n", "22P04", "COPY t, line 1"},
		{"WITH (FORMAT csv)", "1,\"open\n", "22P04", "COPY t, line 1"},
		{"WITH (FORMAT csv, HEADER match)", "id,w\n1,a\n", "22P04", "COPY t, line 1"},
		{"WITH (FORMAT binary)", "PGCOPY?", "22P04", "COPY t, line 0"},
		{"WITH (FORMAT binary)", copySignature + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x05", "22P04", "COPY t, line 1"},
		{"WITH (FORMAT binary)", copySignature + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x7f\xff\xff\xff", "22P04", "COPY t, line 1, column id"},
	} {
		err := s.Query(t.Context(), "COPY t FROM STDIN "+c.options, &script{in: strings.NewReader(c.data)})
		if e := asError(err); e == nil || e.Code != c.code || e.Where != c.where {
			t.Errorf("%q: %+v", c.data, e)
		}
	}
	expect(t, s, "SELECT count(*) FROM t", "0\n(SELECT 1)")
}

// FuzzCopyDecoder reads arbitrary bytes in every format: rows or an error of SQL, never a panic.
func FuzzCopyDecoder(f *testing.F) {
	for _, seed := range []string{"1\ta\n", "\\.\n", "\\x41\\101\\n\t\\N\n", "1,\"a\"\"b\nc\"\n", copySignature + "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x00\x00\x04\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff"} {
		for format := range uint8(3) {
			f.Add([]byte(seed), format)
		}
	}
	rel := &plan.Relation{Name: "t", Columns: []plan.RelColumn{{Name: "id", Type: types.Of(types.Int4OID)}, {Name: "v", Type: types.Of(types.TextOID)}}}
	f.Fuzz(func(t *testing.T, data []byte, format uint8) {
		o := []plan.CopyOptions{{Format: "text", Delimiter: '\t', Null: `\N`},
			{Format: "csv", Delimiter: ',', Quote: '"', Escape: '"', Header: "true"}, {Format: "binary"}}[format%3]
		d := &copyDecoder{options: o, relation: rel, columns: []int{0, 1}, in: bufio.NewReader(bytes.NewReader(data))}
		err := d.begin()
		row := make([]any, 2)
		for n := 0; err == nil; n++ {
			if n > len(data)+1 {
				t.Fatal("more rows than bytes")
			}
			err = d.next(row)
		}
		var e *Error
		if !errors.Is(err, io.EOF) && !errors.As(err, &e) {
			t.Fatalf("not an error of SQL: %v", err)
		}
	})
}

// TestSpoolKeepsRows puts more rows aside than memory holds and reads them back in any order.
func TestSpoolKeepsRows(t *testing.T) {
	columns := []Column{{Type: types.Of(types.Int8OID)}, {Type: types.Of(types.TextOID)}, {Type: types.Of(types.NumericOID)},
		{Type: types.Of(types.VectorOID)}, {Type: types.Of(types.TextArrayOID)}, {Type: types.Of(types.IntervalOID)}, {Type: types.Of(types.Float8OID)}}
	row := func(i int64) []any {
		return []any{i, strings.Repeat("x", 1000), apd.New(i, -2), []float32{1, float32(i)}, []any{"a", nil}, db.Interval{Months: 1, Micros: i}, math.Pi}
	}
	sp := newSpool(columns, t.TempDir())
	defer sp.close()
	const n = 20_000
	for i := range int64(n) {
		if err := sp.append(row(i)); err != nil {
			t.Fatal(err)
		}
	}
	if sp.file == nil || sp.Len() != n {
		t.Fatalf("%d rows, on disk %v", sp.Len(), sp.file != nil)
	}
	for _, i := range []int64{0, n - 1, 5, n / 2, n - 2, n/2 + 1} {
		got, err := sp.at(i)
		if err != nil {
			t.Fatal(err)
		}
		for j, want := range row(i) {
			a, _ := types.AppendText(nil, columns[j].Type, got[j], nil)
			b, _ := types.AppendText(nil, columns[j].Type, want, nil)
			if string(a) != string(b) {
				t.Errorf("row %d column %d: %s, want %s", i, j, a, b)
			}
		}
	}
}

// FuzzSpoolDecode reads damaged rows: an error, never a panic.
func FuzzSpoolDecode(f *testing.F) {
	f.Add([]byte{5, 0, 0, 0, 'b', 0, 0, 0, 1, 2, 0, 0, 0, 't', 'x'})
	f.Add([]byte{255, 255, 255, 255, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		sp := newSpool([]Column{{Type: types.Of(types.Int4OID)}, {Type: types.Of(types.TextOID)}}, "")
		if row, err := sp.decode(b); err == nil && len(row) != 2 {
			t.Fatal("a row of another width")
		}
	})
}
