package duck

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the plan does with engram_rows, it must answer as it does over a table with the same rows.
func TestRelationIsLikeATable(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	cols := []Column{{"a", BigInt}, {"b", Varchar}, {"v", List(Float)}, {"s", Struct(Field{"x", Integer}, Field{"y", Varchar})}}
	exec(t, c, "CREATE TEMP TABLE t(a BIGINT, b VARCHAR, v FLOAT[], s STRUCT(x INTEGER, y VARCHAR))")
	rel := &table{cols: cols}
	for k := range 5000 {
		row := []any{k, fmt.Sprintf("name %d that may be long", k%97), []float32{float32(k), 1}, []any{k % 5, "y"}}
		row[k%4] = nil
		rel.rows = append(rel.rows, row)
	}
	c.Bind("tok", rel)
	exec(t, c, "INSERT INTO t SELECT * FROM engram_rows('tok')")
	for _, sql := range []string{
		"SELECT * FROM $T", "SELECT v, a FROM $T", "SELECT s.y, s.x, b FROM $T WHERE a % 3 = 1", "SELECT count(*) FROM $T",
		"SELECT count(*), count(a), count(b), count(v), count(s), count(s.x) FROM $T",
		"WITH k AS (SELECT * FROM $T) SELECT x.a, y.b FROM k x JOIN k y USING (a)",
		"WITH k AS MATERIALIZED (SELECT * FROM $T) SELECT count(*) FROM k x JOIN k y USING (b)",
		"WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k, $T r WHERE r.a = n AND n < 20) SELECT n FROM k",
		"SELECT a, (SELECT count(*) FROM $T u WHERE u.a < t.a AND u.a < 10) FROM $T t WHERE a < 20",
		"SELECT a, sum(a) OVER (PARTITION BY b ORDER BY a) FROM $T",
		"SELECT a % 7, b, count(*) FROM $T GROUP BY CUBE (a % 7, b)",
		"SELECT a FROM $T ORDER BY a DESC LIMIT 7 OFFSET 3", "SELECT DISTINCT ON (b) b, a FROM $T ORDER BY b, a",
		"SELECT a FROM $T t WHERE a IN (SELECT a + 1 FROM $T)", "SELECT a FROM $T EXCEPT SELECT a + 1 FROM $T",
		"SELECT t.a, x.m FROM $T t, LATERAL (SELECT max(u.a) m FROM $T u WHERE u.a < t.a) x WHERE t.a < 10",
		"SELECT t.a, u.a FROM $T t FULL JOIN $T u ON t.a = u.a + 4990", "SELECT median(a), mode(b) FROM $T WHERE b LIKE 'name 9%'",
		"SELECT a, unnest(v) FROM $T", "SELECT list_sum(v) FROM $T WHERE v IS NOT NULL", "SELECT a FROM $T UNION ALL SELECT a FROM $T",
	} {
		over := func(from string) [][]any {
			sql := strings.ReplaceAll(sql, "$T", from)
			if !strings.Contains(sql, "LIMIT") {
				sql = "SELECT * FROM (" + sql + ") ORDER BY ALL"
			}
			return query(t, c, sql)
		}
		before := rel.closed
		if got, want := over("engram_rows('tok')"), over("t"); len(got) == 0 || !reflect.DeepEqual(plain(got), plain(want)) {
			t.Errorf("%s: %d rows, want %d", sql, len(got), len(want))
		}
		if rel.closed == before {
			t.Errorf("%s: no scan was closed", sql)
		}
	}
}

func plain(rows [][]any) [][]any {
	for _, r := range rows {
		for j := range r {
			r[j] = printable(r[j])
		}
	}
	return rows
}

// Random rows of random nested types come through a relation unchanged.
func TestRandomRelations(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	rapid.Check(t, func(r *rapid.T) {
		rel := &table{}
		gens := make([]*rapid.Generator[any], rapid.IntRange(1, 4).Draw(r, "columns"))
		for j := range gens {
			typ, gen := randomColumn(r, 3)
			rel.cols, gens[j] = append(rel.cols, Column{fmt.Sprintf("c%d", j), typ}), gen
		}
		for range rapid.IntRange(0, 40).Draw(r, "rows") {
			row := make([]any, len(gens))
			for j := range row {
				row[j] = gens[j].Draw(r, "value")
			}
			for range rapid.SampledFrom([]int{1, 1, 100}).Draw(r, "times") {
				rel.rows = append(rel.rows, row)
			}
		}
		c.Bind("r", rel)
		got := query(t, c, "SELECT * FROM engram_rows('r')")
		if len(got) != len(rel.rows) {
			r.Fatalf("%d rows, want %d", len(got), len(rel.rows))
		}
		for k := range got {
			if !reflect.DeepEqual(got[k], rel.rows[k]) {
				r.Fatalf("row %d of %v: %#v, want %#v", k, rel.cols, got[k], rel.rows[k])
			}
		}
	})
}

// randomColumn draws a type and a generator of its values in the form Vector.Value gives.
func randomColumn(r *rapid.T, depth int) (Type, *rapid.Generator[any]) {
	null := func(g *rapid.Generator[any]) *rapid.Generator[any] {
		return rapid.OneOf(g, g, g, rapid.Just[any](nil))
	}
	kinds := 6
	if depth > 0 {
		kinds = 10
	}
	switch rapid.IntRange(0, kinds-1).Draw(r, "kind") {
	case 0:
		return BigInt, null(rapid.Int64().AsAny())
	case 1:
		return Varchar, null(rapid.StringN(0, 20, -1).AsAny())
	case 2:
		return Double, null(rapid.Float64().AsAny())
	case 3:
		return Boolean, null(rapid.Bool().AsAny())
	case 4:
		return SmallInt, null(rapid.Map(rapid.Int16(), func(v int16) any { return int64(v) }))
	case 5:
		return List(Float), null(rapid.SliceOfN(rapid.Float32(), 0, 30).AsAny())
	case 6, 7:
		elem, gen := randomColumn(r, depth-1)
		if elem.ID == FloatID {
			return List(elem), null(rapid.SliceOfN(rapid.Float32(), 0, 5).AsAny())
		}
		return List(elem), null(rapid.SliceOfN(gen, 0, 5).AsAny())
	case 8:
		elem, gen := randomColumn(r, depth-1)
		n := rapid.IntRange(1, 4).Draw(r, "size")
		return Array(elem, n), null(rapid.SliceOfN(gen, n, n).AsAny())
	}
	a, ga := randomColumn(r, depth-1)
	b, gb := randomColumn(r, depth-1)
	return Struct(Field{"f", a}, Field{"with space", b}), null(rapid.Custom(func(t *rapid.T) any {
		return []any{ga.Draw(t, "f"), gb.Draw(t, "g")}
	}))
}

func TestTokens(t *testing.T) {
	i := open(t, nil)
	c, other := connect(t, i), connect(t, i)
	cols := []Column{{"a", BigInt}}
	tok := NewToken()
	c.Bind(tok, &table{cols: cols, rows: [][]any{{1}}})
	s, err := c.Prepare(bg, "SELECT sum(a)::BIGINT FROM "+ScanSQL(tok))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := func() (any, error) {
		r, err := s.Query(bg)
		if err != nil {
			return nil, err
		}
		rows, err := drain(r)
		if err != nil {
			return nil, err
		}
		return rows[0][0], nil
	}
	if got, err := run(); got != int64(1) {
		t.Error(got, err)
	}
	c.Bind(tok, &table{cols: cols, rows: [][]any{{2}, {3}}})
	if got, err := run(); got != int64(5) {
		t.Errorf("a prepared statement does not see the relation bound now: %v %v", got, err)
	}
	c.Bind(tok, &table{cols: []Column{{"a", Varchar}}})
	if _, err := run(); !errors.Is(err, ErrRelationChanged) {
		t.Errorf("other columns: %v", err)
	}
	c.Unbind(tok)
	if _, err := run(); !errors.Is(err, ErrNoRelation) {
		t.Errorf("unbound: %v", err)
	}
	c.Bind(tok, &table{cols: cols, rows: [][]any{{1}}})
	for _, sql := range []string{"SELECT * FROM " + ScanSQL(tok), "SELECT * FROM engram_rows(NULL)", "SELECT * FROM engram_rows('')",
		"SELECT * FROM engram_rows($1)", "SELECT * FROM engram_rows(getvariable('x'))"} {
		if _, err := try(other, sql, nil); !errors.Is(err, ErrNoRelation) {
			t.Errorf("another connection, %s: %v", sql, err)
		}
	}
	for _, sql := range []string{"SELECT * FROM engram_rows()", "SELECT * FROM engram_rows('a', 'b')", "SELECT * FROM engram_rows(token := 'a')", "SELECT engram_rows('a')"} {
		var e *Error
		if _, err := try(other, sql); !errors.As(err, &e) {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

// A relation that breaks its promises gives an error, and its scans are closed.
func TestBadRelations(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	for name, r := range map[string]Relation{
		"no columns":    &table{},
		"no name":       &table{cols: []Column{{"", BigInt}}},
		"unknown type":  &table{cols: []Column{{"a", Type{}}}},
		"any":           &table{cols: []Column{{"a", List(Any)}}},
		"variant":       &table{cols: []Column{{"a", Type{ID: VariantID}}}},
		"misfit":        &table{cols: []Column{{"a", BigInt}}, rows: [][]any{{"text"}}},
		"out of range":  &table{cols: []Column{{"a", SmallInt}}, rows: [][]any{{70000}}},
		"not utf-8":     &table{cols: []Column{{"a", Varchar}}, rows: [][]any{{"\xff\xfe"}}},
		"array size":    &table{cols: []Column{{"a", Array(Float, 3)}}, rows: [][]any{{[]float32{1, 2}}}},
		"struct size":   &table{cols: []Column{{"a", Struct(Field{"x", BigInt})}}, rows: [][]any{{[]any{1, 2}}}},
		"label":         &table{cols: []Column{{"a", Enum("x", "y")}}, rows: [][]any{{"z"}}},
		"decimal":       &table{cols: []Column{{"a", Decimal(4, 2)}}, rows: [][]any{{dec("123.45")}}},
		"decimal NaN":   &table{cols: []Column{{"a", Decimal(4, 2)}}, rows: [][]any{{dec("NaN")}}},
		"bits":          &table{cols: []Column{{"a", Bit}}, rows: [][]any{{"012"}}},
		"negative":      &table{cols: []Column{{"a", UBigInt}}, rows: [][]any{{-1}}},
		"huge":          &table{cols: []Column{{"a", HugeInt}}, rows: [][]any{{bigInt("340282366920938463463374607431768211455")}}},
		"too many rows": tooMany{},
		"scan fails":    scanFails{},
		"scan panics":   scanPanics{},
		"row 2048":      badWriter{func(w *Writer) { w.SetNull(2048) }},
		"row -1":        badWriter{func(w *Writer) { w.SetFloats(-1, nil) }},
		"list of -1":    badWriter{func(w *Writer) { w.SetList(0, -1) }},
		"huge list":     badWriter{func(w *Writer) { w.SetList(0, 1<<40) }},
		"element 3":     badWriter{func(w *Writer) { child, base, _ := w.SetList(0, 2); child.SetFloat64(base+1<<20, 1) }},
		"no field":      badWriter{func(w *Writer) { w.Field(0).SetBool(0, true) }},
	} {
		c.Bind("bad", r)
		if rows, err := try(c, "SELECT * FROM engram_rows('bad')"); err == nil {
			t.Errorf("%s: %v", name, rows)
		}
		if b, ok := r.(*table); ok && len(b.rows) > 0 && b.closed != 1 {
			t.Errorf("%s: closed %d times", name, b.closed)
		}
	}
	if i.Broken() {
		t.Error("the instance is broken")
	}
}

type oneColumn struct{}

func (oneColumn) Columns() []Column { return []Column{{"a", BigInt}} }
func (oneColumn) Rows() int64       { return -1 }

type tooMany struct{ oneColumn }

func (tooMany) Scan(context.Context, []int) (RelationScan, error) { return tooMany{}, nil }
func (tooMany) Next(_ []*Writer, max int) (int, error)            { return max + 1, nil }
func (tooMany) Close() error                                      { return nil }

type scanFails struct{ oneColumn }

func (scanFails) Scan(context.Context, []int) (RelationScan, error) {
	return nil, errors.New("no scan")
}

type scanPanics struct{ oneColumn }

func (scanPanics) Scan(context.Context, []int) (RelationScan, error) { panic("no scan") }

// badWriter does something wrong to a FLOAT[] column.
type badWriter struct{ f func(*Writer) }

func (badWriter) Columns() []Column                                   { return []Column{{"a", List(Float)}} }
func (badWriter) Rows() int64                                         { return -1 }
func (b badWriter) Scan(context.Context, []int) (RelationScan, error) { return b, nil }
func (b badWriter) Next(cols []*Writer, _ int) (int, error)           { b.f(cols[0]); return 1, nil }
func (badWriter) Close() error                                        { return nil }
