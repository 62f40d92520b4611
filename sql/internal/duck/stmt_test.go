package duck

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

func TestPrepareDescribes(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	rel := &table{cols: []Column{{"id", BigInt}, {"price", Decimal(10, 2)}, {"v", List(Float)}, {"j", JSON}}}
	c.Bind("t", rel)
	for _, d := range []struct{ sql, params, cols string }{
		{"SELECT 1 AS a, 'x' AS b", "", "a INTEGER, b VARCHAR"},
		{"SELECT $1", "UNKNOWN", "?"},
		{"SELECT $1::VARCHAR AS s, $2::INTEGER[] AS l", "VARCHAR, INTEGER[]", "s VARCHAR, l INTEGER[]"},
		{"SELECT $1::VARCHAR || 'x' AS s", "VARCHAR", "s VARCHAR"},
		{"SELECT * FROM engram_rows('t')", "", "id BIGINT, price DECIMAL(10,2), v FLOAT[], j JSON"},
		{"SELECT v FROM engram_rows('t') WHERE id = $1 AND price > $2", "BIGINT, DECIMAL(10,2)", "v FLOAT[]"},
		{"SELECT id FROM engram_rows('t') WHERE id = ANY($1::BIGINT[]) LIMIT $2", "BIGINT[], BIGINT", "id BIGINT"},
		{"SELECT id FROM engram_rows('t') ORDER BY list_cosine_distance(v, $1::FLOAT[]) LIMIT 3", "FLOAT[]", "id BIGINT"},
		{"SELECT $2::DATE AS d, $1::TIMESTAMPTZ AS z", "TIMESTAMP WITH TIME ZONE, DATE", "d DATE, z TIMESTAMP WITH TIME ZONE"},
		{"SELECT $1::DATE AS d, $1 AS e", "DATE", "?"}, // every mention in the select list needs its own cast
		{"SELECT count(*) AS n, avg(id) AS m, sum(price) AS p FROM engram_rows('t')", "", "n BIGINT, m DOUBLE, p DECIMAL(38,2)"},
		{"SELECT * FROM range($1)", "UNKNOWN", "?"},
		{"SELECT * FROM engram_rows($1)", "UNKNOWN", "?"},
		{"SELECT {'a': $1::INTEGER} AS s", "INTEGER", "s STRUCT(a INTEGER)"},
	} {
		s, err := c.Prepare(bg, d.sql)
		if err != nil {
			t.Errorf("%s: %v", d.sql, err)
			continue
		}
		var params []string
		for k := 1; k <= s.ParamCount(); k++ {
			p, _ := s.ParamType(k)
			params = append(params, p.String())
		}
		cols, known := s.Columns()
		text := "?"
		if known {
			var names []string
			for _, col := range cols {
				names = append(names, col.Name+" "+col.Type.String())
			}
			text = strings.Join(names, ", ")
		}
		if got := strings.Join(params, ", "); got != d.params || text != d.cols {
			t.Errorf("%s:\n got params %s, columns %s\nwant params %s, columns %s", d.sql, got, text, d.params, d.cols)
		}
		if s.Kind() != SelectStatement {
			t.Errorf("%s: kind %d", d.sql, s.Kind())
		}
		s.Close()
	}
	for _, sql := range []string{"SELECT $2::INTEGER", "SELECT $1::INTEGER, $3::INTEGER", "SELECT $70000"} {
		if s, err := c.Prepare(bg, sql); err == nil {
			s.Close()
			t.Errorf("%s was prepared", sql)
		}
	}
	if rel.closed != 0 {
		t.Error("Prepare scanned a relation")
	}
}

func TestBindChecks(t *testing.T) {
	c := connect(t, open(t, nil))
	s, err := c.Prepare(bg, "SELECT $1::SMALLINT, $2::FLOAT[]")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range []struct {
		i  int
		v  any
		ty Type
	}{
		{0, 1, Type{}}, {-1, 1, Type{}}, {3, 1, Type{}}, {1, 70000, Type{}}, {1, "x", SmallInt}, {1, struct{}{}, Type{}},
		{1, "\xff", Varchar}, {2, []float32{1}, Array(Float, 2)}, {2, []any{"a"}, List(Float)}, {1, dec("1e50"), Decimal(38, 0)},
		{1, []any{1}, Struct(Field{"a", BigInt}, Field{"b", BigInt})}, {1, bigInt("-1"), UBigInt}, {1, -1, UBigInt}, {1, "12", Bit},
		{1, [16]byte{}, Interval}, {1, 1, Type{ID: VariantID}}, {1, []float32{}, Type{ID: ListID, Elem: &Type{}}},
	} {
		if err := s.Bind(b.i, b.v, b.ty); err == nil && !(b.i == 2 && b.ty.Elem != nil && b.ty.Elem.ID == InvalidID) {
			t.Errorf("Bind(%d, %v, %s) was accepted", b.i, b.v, b.ty)
		}
	}
	if err := errorsJoin(s.Bind(1, 5, Type{}), s.Bind(2, []any{1, 2.5, nil}, Type{})); err != nil {
		t.Fatal(err)
	}
	r, err := s.Query(bg)
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := drain(r); err != nil || fmt.Sprint(rows) != "[[5 [1 2.5 <nil>]]]" {
		t.Errorf("%v %v", rows, err)
	}
	s.Close()
	s.Close()
	if err := s.Bind(1, 1, Type{}); !errors.Is(err, ErrClosed) {
		t.Errorf("Bind after Close: %v", err)
	}
	if _, err := s.Query(bg); !errors.Is(err, ErrClosed) {
		t.Errorf("Query after Close: %v", err)
	}
	s2, err := c.Prepare(bg, "SELECT $1::INTEGER")
	if err != nil {
		t.Fatal(err)
	}
	defer s2.Close()
	if _, err := s2.Query(bg); err == nil {
		t.Error("a statement ran without its parameter")
	}
}

// residentBytes is the process's memory, 0 where the system does not say.
func residentBytes() int64 {
	b, err := os.ReadFile("/proc/self/statm")
	f := strings.Fields(string(b))
	if err != nil || len(f) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(f[1], 10, 64)
	return pages * int64(os.Getpagesize())
}

// Ten thousand statements of every fate leave nothing behind. (Built with the tag debug_bindings, the bindings count
// DuckDB's objects, too.)
func TestNothingLeaks(t *testing.T) {
	before := liveHandles.Load()
	i, err := Open(&Config{MemoryLimit: 256 << 20, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	register(t, i, ScalarFunction{Name: "same", Params: []Type{List(Float)}, Returns: List(Float), Exec: identity},
		ScalarFunction{Name: "fails", Params: []Type{BigInt}, Returns: BigInt, Exec: failing})
	c, err := i.Connect()
	if err != nil {
		t.Fatal(err)
	}
	rel := &table{cols: []Column{{"a", BigInt}, {"v", List(Float)}}}
	for k := range 3100 {
		rel.rows = append(rel.rows, []any{k, []float32{1, 2}})
	}
	c.Bind("t", rel)
	idle := liveHandles.Load()
	statements := []string{
		"SELECT a, same(v) FROM engram_rows('t') LIMIT 3", "SELECT a + $1::INTEGER FROM engram_rows('t')", "SELECT fails(a) FROM engram_rows('t')",
		"SELECT nosuch", "SELECT 'x'::INTEGER", "SELECT [$1::VARCHAR], {'a': 1::DECIMAL(10,2)}", "SELECT * FROM engram_rows('none')",
	}
	var settled int64
	for n := range 10_000 {
		if n == 3000 {
			settled = residentBytes()
		}
		s, err := c.Prepare(bg, statements[n%len(statements)])
		if err != nil {
			continue
		}
		if s.ParamCount() > 0 {
			if err := s.Bind(1, 7, Integer); err != nil && n%len(statements) == 1 {
				t.Fatal(err)
			}
		}
		if r, err := s.Query(bg); err == nil {
			r.Next()
			r.Close()
		}
		s.Close()
	}
	if n := liveHandles.Load(); n != idle {
		t.Errorf("%d handles more than before the statements", n-idle)
	}
	if now := residentBytes(); now-settled > 64<<20 {
		t.Errorf("7,000 statements took %d MiB", (now-settled)>>20)
	}
	c.Close()
	if err := i.Close(); err != nil {
		t.Fatal(err)
	}
	if n := liveHandles.Load(); n != before {
		t.Errorf("the instance leaves %d handles", n-before)
	}
	if counts := mapping.GetAllocationCounts(); counts != "" {
		t.Errorf("DuckDB objects are left:\n%s", counts)
	}
}
