package duck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

// DuckDB's own functions make lists, structs and maps whose parts are shared, sliced or reordered in memory. What we read
// must be what DuckDB prints.
func TestNestedValuesOfDuckDBsMaking(t *testing.T) {
	c := connect(t, open(t, nil))
	for _, expr := range []string{
		"[r, r + 1, NULL]", "range(r % 7)", "list_transform(range(r % 5), x -> x * r)", "list_filter(range(r % 9), x -> x % 2 = 0)",
		"list_transform(range(r % 4), x -> {'a': x, 'b': r})", "list_transform(range(r % 4), x -> [x, r])", "list_reverse(range(r % 6))",
		"list_sort(list_transform(range(r % 6), x -> hash(x) % 100))", "range(10)[r % 3 : r % 8]", "list_concat(range(r % 3), [r])",
		"{'a': r, 'b': {'c': [r], 'd': NULL}}", "struct_pack(a := 1, b := r)", "{'a': CASE WHEN r % 2 = 0 THEN NULL ELSE {'x': r} END}",
		"MAP {r: r + 1, r + 2: NULL}", "map_from_entries([(r, 1), (r + 1, 2)])", "map_values(MAP {1: [r], 2: NULL})",
		"[r, r]::BIGINT[2]", "[[r, 1], [2, r]]::BIGINT[2][2]", "[[r]::BIGINT[1], NULL]", "CASE WHEN r % 3 = 0 THEN NULL ELSE [[r], []] END",
		"list_zip([r, 2], [3, r])", "array_value(r, 1)", "list_distinct([r, r, 1])", "list_resize([r], (r % 5)::INTEGER)",
		"struct_insert({'a': r}, b := 1)", "union_value(n := r)", "[union_value(n := r)]", "flatten([[r], [], [r, 2]])",
		"list_value({'a': r}, {'a': NULL}, NULL)", "[{'a': [{'b': r}]}]", "first(r) OVER (PARTITION BY r % 3 ORDER BY r)", "(SELECT [r, 1])",
		"list(r) OVER (ORDER BY r ROWS 2 PRECEDING)", "coalesce(CASE WHEN r % 2 = 0 THEN [r] END, [0])", "unnest([[r], [1, r]])",
	} {
		rows := query(t, c, "SELECT v, v::VARCHAR FROM (SELECT "+expr+" AS v FROM (SELECT range AS r FROM range(3000)))")
		if len(rows) < 3000 {
			t.Errorf("%s: %d rows", expr, len(rows))
		}
		typ := columnType(t, c, "SELECT "+expr+" AS v FROM (SELECT 1::BIGINT AS r)")
		for _, row := range rows {
			if row[1] == nil && row[0] == nil {
				continue
			}
			if got := spell(row[0], typ); got != row[1] {
				t.Errorf("%s: read %s, DuckDB prints %v", expr, got, row[1])
				break
			}
		}
	}
}

func columnType(t *testing.T, c *Conn, sql string) Type {
	t.Helper()
	s, err := c.Prepare(bg, sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer s.Close()
	cols, _ := s.Columns()
	return cols[0].Type
}

// spell prints numbers and what is made of them as DuckDB does.
func spell(v any, t Type) string {
	if v == nil {
		return "NULL"
	}
	var parts []string
	switch t.ID {
	case ListID, ArrayID:
		for _, e := range v.([]any) {
			parts = append(parts, spell(e, *t.Elem))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case StructID:
		for k, f := range t.Fields {
			if f.Name == "" {
				parts = append(parts, spell(v.([]any)[k], f.Type))
			} else {
				parts = append(parts, "'"+f.Name+"': "+spell(v.([]any)[k], f.Type))
			}
		}
		if t.Fields[0].Name == "" {
			return "(" + strings.Join(parts, ", ") + ")"
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case MapID:
		for _, e := range v.([][2]any) {
			parts = append(parts, spell(e[0], t.Elem.Fields[0].Type)+"="+spell(e[1], t.Elem.Fields[1].Type))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return fmt.Sprint(v)
}

// Many connections at once run functions and relations, are cancelled and closed early; answers stay right.
func TestConcurrentConnections(t *testing.T) {
	i := open(t, nil)
	register(t, i, ScalarFunction{Name: "same", Params: []Type{List(Float)}, Returns: List(Float), Exec: identity},
		ScalarFunction{Name: "fails", Params: []Type{BigInt}, Returns: BigInt, Exec: failing})
	before := liveHandles.Load()
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			c, err := i.Connect()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			rel := &fixed{cols: []Column{{"n", BigInt}, {"v", List(Float)}}, n: 20_000, fill: func(cols []*Writer, projection []int, from, n int) {
				for k, j := range projection {
					for r := range n {
						if j == 0 {
							cols[k].SetInt64(r, int64(from+r)*int64(g+1))
						} else {
							cols[k].SetFloats(r, []float32{float32(g), float32(r)})
						}
					}
				}
			}}
			c.Bind("t", rel)
			for round := range 12 {
				oneRound(t, c, g, round)
			}
		}()
	}
	wg.Wait()
	if n := liveHandles.Load(); n != before {
		t.Errorf("%d handles are left", n-before)
	}
}

func oneRound(t *testing.T, c *Conn, g, round int) {
	switch round % 4 {
	case 0:
		got, err := try(c, "SELECT sum(n)::BIGINT, min(same(v)[1]), max(same(v)[1]) FROM engram_rows('t')")
		if want := int64(20_000*19_999/2) * int64(g+1); err != nil || got[0][0] != want || got[0][1] != float32(g) || got[0][2] != float32(g) {
			t.Errorf("connection %d: %v %v, want %d", g, got, err, want)
		}
	case 1:
		if _, err := try(c, "SELECT fails(n) FROM engram_rows('t')"); (g == 0 || 3000%(g+1) == 0) != (err != nil) {
			t.Errorf("connection %d: %v", g, err)
		}
	case 2:
		r, err := c.Query(bg, "SELECT same(v), n FROM engram_rows('t') a")
		if err != nil {
			t.Errorf("connection %d: %v", g, err)
			return
		}
		if ch, err := r.Next(); err != nil || ch.Col(0).Floats(1)[0] != float32(g) {
			t.Errorf("connection %d: %v", g, err)
		}
		r.Close()
	case 3:
		ctx, cancel := context.WithTimeout(bg, time.Duration(g+1)*time.Millisecond)
		defer cancel()
		err := c.Exec(ctx, "SELECT count(*) FROM engram_rows('t') a, engram_rows('t') b, range(1000000) WHERE a.n + b.n + range = -1")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("connection %d: %v", g, err)
		}
	}
}

// A transaction survives streams that are abandoned inside it, and a connection survives a transaction that failed.
func TestTransactions(t *testing.T) {
	c := connect(t, open(t, nil))
	c.Bind("e", &endless{})
	exec(t, c, "BEGIN")
	exec(t, c, "CREATE TABLE x AS SELECT 1 AS a")
	r := start(t, c, bg, "SELECT * FROM engram_rows('e')")
	if _, err := r.Next(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	if got := query(t, c, "SELECT a FROM x"); got[0][0] != int64(1) {
		t.Error(got)
	}
	exec(t, c, "ROLLBACK")
	if _, err := try(c, "SELECT a FROM x"); err == nil {
		t.Error("the table outlives the rollback")
	}
	exec(t, c, "BEGIN")
	if _, err := try(c, "SELECT error('stop')"); err == nil {
		t.Error("no error")
	}
	exec(t, c, "ROLLBACK")
	if got := query(t, c, "SELECT 1"); len(got) != 1 {
		t.Error(got)
	}
}
