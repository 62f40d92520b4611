package duck

import (
	"context"
	"fmt"
	"path/filepath"
	"reflect"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func register(t testing.TB, i *Instance, fs ...ScalarFunction) {
	t.Helper()
	if err := i.Register(fs...); err != nil {
		t.Fatal(err)
	}
}

func TestNullsAreLeftOut(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	var seen atomic.Int64
	join := func(_ context.Context, args []Vector, rows int, out *Writer) error {
		for k := range rows {
			seen.Add(1)
			if args[0].IsNull(k) || args[1].IsNull(k) {
				t.Error("Exec sees a NULL")
			}
			out.SetString(k, args[0].String(k)+fmt.Sprint(args[1].Int64(k)))
		}
		return nil
	}
	register(t, i, ScalarFunction{Name: "glue", Params: []Type{Varchar, BigInt}, Returns: Varchar, Exec: join})
	got := query(t, c, `SELECT r, glue(CASE WHEN r % 3 = 0 THEN NULL ELSE 'a value longer than twelve ' END, CASE WHEN r % 5 = 0 THEN NULL ELSE r END)
		FROM range(5000) t(r)`)
	for _, row := range got {
		r := row[0].(int64)
		want := any(fmt.Sprintf("a value longer than twelve %d", r))
		if r%3 == 0 || r%5 == 0 {
			want = nil
		}
		if row[1] != want {
			t.Fatalf("row %d: %v, want %v", r, row[1], want)
		}
	}
	if n := seen.Load(); n != 5000-(1667+1000-334) {
		t.Errorf("Exec saw %d rows", n)
	}
	for _, sql := range []string{"SELECT glue(NULL, 1)", "SELECT glue(NULL, NULL)", "SELECT glue(x, 1) FROM (SELECT NULL::VARCHAR AS x FROM range(3000))"} {
		if got := query(t, c, sql); got[0][0] != nil {
			t.Errorf("%s: %v", sql, got)
		}
	}
	if got := query(t, c, "SELECT glue($1, $2)", nil, 1); got[0][0] != nil {
		t.Errorf("NULL parameter: %v", got)
	}
}

func TestNullInSeesNulls(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	register(t, i, ScalarFunction{Name: "nulls", Variadic: &Any, Returns: BigInt, NullIn: true,
		Exec: func(_ context.Context, args []Vector, rows int, out *Writer) error {
			for k := range rows {
				n := int64(0)
				for j := range args {
					if args[j].IsNull(k) {
						n++
					}
				}
				out.SetInt64(k, n)
			}
			return nil
		}})
	for sql, want := range map[string]int64{"nulls()": 0, "nulls(NULL)": 1, "nulls(1, NULL, 'a', [NULL], {'a': NULL})": 1, "nulls(NULL::FLOAT[], NULL::STRUCT(a INTEGER))": 2} {
		if got := query(t, c, "SELECT "+sql+", "+sql+" FROM range(2)"); got[1][1] != want {
			t.Errorf("%s: %v, want %d", sql, got, want)
		}
	}
}

func TestOverloads(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	name := func(n string) func(context.Context, []Vector, int, *Writer) error {
		return func(_ context.Context, _ []Vector, rows int, out *Writer) error {
			for k := range rows {
				out.SetString(k, n)
			}
			return nil
		}
	}
	register(t, i,
		ScalarFunction{Name: "kind", Params: []Type{BigInt}, Returns: Varchar, Exec: name("number")},
		ScalarFunction{Name: "kind", Params: []Type{Varchar}, Returns: Varchar, Exec: name("text")},
		ScalarFunction{Name: "kind", Params: []Type{List(Float)}, Returns: Varchar, Exec: name("vector")},
		ScalarFunction{Name: "kind", Params: []Type{Varchar, Varchar}, Returns: Varchar, Exec: name("two")})
	got := query(t, c, "SELECT kind(1), kind('a'), kind([1.5::FLOAT]), kind('a', 'b'), kind(1::SMALLINT)")
	if want := []any{"number", "text", "vector", "two", "number"}; !reflect.DeepEqual(got[0], want) {
		t.Errorf("%v, want %v", got[0], want)
	}
	register(t, i, ScalarFunction{Name: "kind", Params: []Type{Date}, Returns: Varchar, Exec: name("date")},
		ScalarFunction{Name: "kind", Params: []Type{BigInt}, Returns: Varchar, Exec: name("other number")})
	if got := query(t, c, "SELECT kind(1), kind('a'), kind('2020-01-01'::DATE)"); !reflect.DeepEqual(got[0], []any{"other number", "text", "date"}) {
		t.Errorf("registered again: %v", got)
	}
	for _, bad := range []ScalarFunction{
		{Name: "", Returns: BigInt, Exec: name("")}, {Name: "noexec", Returns: BigInt}, {Name: "noreturn", Exec: name("")},
		{Name: "anyreturn", Returns: Any, Exec: name("")}, {Name: "sum", Returns: BigInt, Exec: name("")},
		{Name: "badtype", Returns: Decimal(50, 1), Exec: name("")}, {Name: "badparam", Params: []Type{{}}, Returns: BigInt, Exec: name("")},
	} {
		if err := i.Register(bad); err == nil {
			t.Errorf("function %q was accepted", bad.Name)
		}
	}
}

// Constants are computed once a chunk, or once at all; volatile functions for every row; Prepare computes nothing.
func TestHowOftenFunctionsRun(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	var rows, calls atomic.Int64
	count := func(_ context.Context, args []Vector, n int, out *Writer) error {
		rows.Add(int64(n))
		calls.Add(1)
		for k := range n {
			out.SetFloats(k, []float32{float32(len(args[0].Bytes(k))), 1})
		}
		return nil
	}
	register(t, i, ScalarFunction{Name: "enc", Params: []Type{Varchar}, Returns: List(Float), Exec: count},
		ScalarFunction{Name: "vol", Params: []Type{Varchar}, Returns: List(Float), Volatile: true, Exec: count})
	measure := func(run func()) (int64, int64) {
		rows.Store(0)
		calls.Store(0)
		run()
		return rows.Load(), calls.Load()
	}
	const n = 10 * ChunkRows

	sql := fmt.Sprintf("SELECT r, enc('some text, rather long') FROM range(%d) t(r)", n)
	var s *Stmt
	if got, _ := measure(func() {
		var err error
		if s, err = c.Prepare(bg, sql); err != nil {
			t.Fatal(err)
		}
	}); got != 0 {
		t.Errorf("Prepare computed %d rows", got)
	}
	got, _ := measure(func() {
		r, err := s.Query(bg)
		if err != nil {
			t.Fatal(err)
		}
		out, err := drain(r)
		if err != nil || len(out) != n || !reflect.DeepEqual(out[n-1][1], []float32{22, 1}) {
			t.Errorf("%d rows, last %v, %v", len(out), out[len(out)-1], err)
		}
	})
	if got != 10 {
		t.Errorf("a constant was computed %d times in 10 chunks", got)
	}
	s.Close()
	if got, _ := measure(func() {
		r, err := c.Query(bg, sql)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := drain(r); err != nil || len(out) != n {
			t.Error(err)
		}
	}); got != 1 {
		t.Errorf("Conn.Query computed a constant %d times", got)
	}
	if got, _ := measure(func() { query(t, c, fmt.Sprintf("SELECT vol('a') FROM range(%d)", n)) }); got != n {
		t.Errorf("a volatile function was computed %d times for %d rows", got, n)
	}
	if got, _ := measure(func() { query(t, c, fmt.Sprintf("SELECT enc(r::VARCHAR) FROM range(%d) t(r)", n)) }); got != n {
		t.Errorf("a function of a column was computed %d times for %d rows", got, n)
	}
}

// Equal rows are found by memory and their result is repeated: for every type the answer is that of row by row.
func TestRepeatedRowsGiveTheSameAnswer(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	for n, l := range literals {
		name := fmt.Sprintf("copy_%d", n)
		register(t, i, ScalarFunction{Name: name, Params: []Type{l.typ, BigInt}, Returns: l.typ, NullIn: true,
			Exec: func(ctx context.Context, args []Vector, rows int, out *Writer) error {
				if rows != 1 && l.typ.ID != ArrayID {
					t.Errorf("%s: %d equal rows are computed", l.sql, rows)
				}
				return identity(ctx, args, rows, out)
			}})
		rows := query(t, c, fmt.Sprintf("SELECT %s(%s, 1) FROM range(70)", name, l.sql))
		for _, row := range rows {
			if !reflect.DeepEqual(printable(row[0]), printable(l.want)) {
				t.Fatalf("%s: %#v, want %#v", l.sql, row[0], l.want)
			}
		}
		if len(rows) != 70 {
			t.Fatalf("%s: %d rows", l.sql, len(rows))
		}
		for _, row := range query(t, c, fmt.Sprintf("SELECT %s(NULL, 1) FROM range(70)", name)) {
			if row[0] != nil {
				t.Fatalf("%s: NULL came back as %#v", l.sql, row[0])
			}
		}
	}
}

func TestStructResultsInLists(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	var calls atomic.Int64
	registerTopK(t, i, &calls)
	exec(t, c, "CREATE TEMP TABLE q AS SELECT 10 * r AS g, [10 * r, 2]::FLOAT[] AS v FROM range(1, 4) t(r)")
	want := [][]any{{int64(10), int64(10), float32(1)}, {int64(10), int64(11), float32(0.5)}, {int64(20), int64(20), float32(1)},
		{int64(20), int64(21), float32(0.5)}, {int64(30), int64(30), float32(1)}, {int64(30), int64(31), float32(0.5)}}
	for _, sql := range []string{
		"SELECT g, k.id, k.score FROM q, cosine_top_k(q.v, 2) k",
		"SELECT g, k.id, k.score FROM q, LATERAL cosine_top_k(q.v, 2) k",
		"SELECT g, k.id, k.score FROM q CROSS JOIN LATERAL (SELECT * FROM cosine_top_k(q.v, 2)) k",
		"SELECT g, k.id, k.score FROM q LEFT JOIN LATERAL (SELECT * FROM cosine_top_k(q.v, 2, table_name := 'x')) k ON true",
		"SELECT g, k.id, k.score FROM (SELECT g, unnest(_top_k(v, 2, 'm')) AS k FROM q)",
		"SELECT g, k.id, k.score FROM q, LATERAL (SELECT unnest(_top_k(q.v, 2, 'm'), recursive := true)) k",
	} {
		calls.Store(0)
		if got := query(t, c, "SELECT * FROM ("+sql+") ORDER BY 1, 2"); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v", sql, got)
		}
		if calls.Load() != 3 {
			t.Errorf("%s: computed %d times", sql, calls.Load())
		}
	}
	for _, sql := range []string{
		"SELECT * FROM cosine_top_k($1, $2)",
		"SELECT * FROM cosine_top_k($1::FLOAT[], $2::BIGINT, table_name := 'x') k",
		"SELECT k.* FROM (SELECT 1) a, cosine_top_k($1, $2) k",
	} {
		s, err := c.Prepare(bg, sql)
		if err != nil {
			t.Fatal(err)
		}
		cols, known := s.Columns()
		p1, ok1 := s.ParamType(1)
		p2, ok2 := s.ParamType(2)
		if !known || !reflect.DeepEqual(cols, []Column{{"id", BigInt}, {"score", Float}}) || !ok1 || !ok2 || p1.String() != "FLOAT[]" || p2.ID != BigIntID {
			t.Errorf("%s: %v %v, parameters %v %v", sql, cols, known, p1, p2)
		}
		s.Close()
		if got := query(t, c, sql, []float32{7}, 2); len(got) != 2 || got[0][0] != int64(7) || got[1][0] != int64(8) {
			t.Errorf("%s: %v", sql, got)
		}
	}
	calls.Store(0)
	if got := query(t, c, "SELECT id FROM cosine_top_k((SELECT v FROM q ORDER BY g DESC LIMIT 1), 2) k"); len(got) != 2 || got[0][0] != int64(30) {
		t.Errorf("subquery: %v", got)
	}
	if got := query(t, c, "SELECT count(*), sum(score)::DOUBLE FROM cosine_top_k([1], 4000)"); got[0][0] != int64(4000) || calls.Load() != 2 {
		t.Errorf("large list: %v, %d calls", got, calls.Load())
	}
}

// registerTopK makes the two halves of a search function: a scalar function that gives all hits of a query as one list,
// and the table macro that SQL calls, with named arguments.
func registerTopK(t testing.TB, i *Instance, calls *atomic.Int64) {
	hits := List(Struct(Field{"id", BigInt}, Field{"score", Float}))
	register(t, i, ScalarFunction{Name: "_top_k", Params: []Type{List(Float), BigInt, Varchar}, Returns: hits,
		Exec: func(_ context.Context, args []Vector, rows int, out *Writer) error {
			for k := range rows {
				calls.Add(1)
				child, base, n := out.SetList(k, int(args[1].Int64(k)))
				ids, scores := child.Field(0), child.Field(1)
				for j := range n {
					ids.SetInt64(base+j, int64(args[0].Floats(k)[0])+int64(j))
					scores.SetFloat64(base+j, 1/float64(j+1))
				}
			}
			return nil
		}})
	if err := i.Setup(`CREATE MACRO cosine_top_k(query, k, table_name := 'memories') AS TABLE
		SELECT unnest(_top_k(query, k, table_name), recursive := true)`); err != nil {
		t.Fatal(err)
	}
}

// A dead-row bitmap over file_row_number is right for any bitmap, and a LIMIT above it stops the scan early.
func TestAliveFilter(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "seg.parquet")
	const n = 300_000
	parquet(t, path, n, "r * 10 AS id, r % 7 AS c")
	i := open(t, &Config{AllowedDirs: []string{dir}, Threads: 2})
	c := connect(t, i)
	dead := make([]uint64, n/64+1)
	var seen atomic.Int64
	register(t, i, aliveFunction(dead, &seen))
	scan := "SELECT count(*), coalesce(sum(id), 0)::BIGINT FROM read_parquet([" + QuoteLiteral(path) + "], file_row_number = true) WHERE alive(file_row_number)"
	rapid.Check(t, func(r *rapid.T) {
		clear(dead)
		count, sum := int64(n), int64(n)*(n-1)/2*10
		for range rapid.IntRange(0, 200).Draw(r, "dead") {
			k := rapid.IntRange(0, n-1).Draw(r, "row")
			if dead[k/64]>>(k%64)&1 == 0 {
				dead[k/64] |= 1 << (k % 64)
				count, sum = count-1, sum-int64(k)*10
			}
		}
		if got := query(t, c, scan); got[0][0] != count || got[0][1] != sum {
			r.Fatalf("%v, want %d %d", got, count, sum)
		}
	})
	seen.Store(0)
	if got := query(t, c, "SELECT id FROM read_parquet(["+QuoteLiteral(path)+"], file_row_number = true) WHERE alive(file_row_number) AND c = 3 LIMIT 5"); len(got) != 5 {
		t.Errorf("%d rows", len(got))
	}
	if s := seen.Load(); s > n/2 {
		t.Errorf("LIMIT 5 looked at %d of %d rows", s, n)
	}
}

func aliveFunction(dead []uint64, seen *atomic.Int64) ScalarFunction {
	return ScalarFunction{Name: "alive", Params: []Type{BigInt}, Returns: Boolean,
		Exec: func(_ context.Context, args []Vector, rows int, out *Writer) error {
			if seen != nil {
				seen.Add(int64(rows))
			}
			nums, ok := args[0].Int64s()
			if !ok {
				return fmt.Errorf("file_row_number has NULLs")
			}
			for k, r := range nums[:rows] {
				out.SetBool(k, dead[r>>6]>>(r&63)&1 == 0)
			}
			return nil
		}}
}

func TestPanicsInTheWrongReader(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	register(t, i, ScalarFunction{Name: "wrong", Params: []Type{Varchar}, Returns: BigInt,
		Exec: func(_ context.Context, args []Vector, rows int, out *Writer) error {
			out.SetInt64(0, args[0].Int64(0))
			return nil
		}}, ScalarFunction{Name: "beyond", Params: []Type{Varchar}, Returns: BigInt,
		Exec: func(_ context.Context, args []Vector, rows int, out *Writer) error {
			args[0].IsNull(rows)
			return nil
		}}, ScalarFunction{Name: "misfit", Params: []Type{Varchar}, Returns: BigInt,
		Exec: func(_ context.Context, args []Vector, rows int, out *Writer) error {
			for k := range rows {
				out.SetString(k, "x")
			}
			return nil
		}})
	for _, f := range []string{"wrong", "beyond", "misfit"} {
		if _, err := try(c, "SELECT "+f+"('a')"); err == nil {
			t.Errorf("%s: no error", f)
		} else {
			t.Log(err)
		}
	}
}

func TestFunctionSeesTheContext(t *testing.T) {
	i := open(t, nil)
	c := connect(t, i)
	type key struct{}
	register(t, i, ScalarFunction{Name: "who", Returns: Varchar, Volatile: true,
		Exec: func(ctx context.Context, _ []Vector, rows int, out *Writer) error {
			for k := range rows {
				out.SetString(k, ctx.Value(key{}).(string))
			}
			return nil
		}}, ScalarFunction{Name: "wait", Params: []Type{BigInt}, Returns: BigInt,
		Exec: func(ctx context.Context, _ []Vector, rows int, out *Writer) error {
			<-ctx.Done()
			return ctx.Err()
		}})
	r, err := c.Query(context.WithValue(bg, key{}, "me"), "SELECT who() FROM range(5000)")
	if err != nil {
		t.Fatal(err)
	}
	if rows, err := drain(r); err != nil || len(rows) != 5000 || rows[4999][0] != "me" {
		t.Errorf("%v %v", len(rows), err)
	}
	ctx, cancel := context.WithTimeout(bg, 20*time.Millisecond)
	defer cancel()
	_, err = c.Query(ctx, "SELECT wait(r) FROM range(5000) t(r)")
	checkInterrupted(t, err, context.DeadlineExceeded)
}

func TestFloatsFromBytes(t *testing.T) {
	c := connect(t, open(t, nil))
	rapid.Check(t, func(r *rapid.T) {
		v := rapid.SliceOfN(rapid.Float32(), 0, 40).Draw(r, "v")
		s, err := c.Prepare(bg, "SELECT engram_floats($1::BLOB)")
		if err != nil {
			r.Fatal(err)
		}
		defer s.Close()
		if err := s.Bind(1, v, Blob); err != nil {
			r.Fatal(err)
		}
		res, err := s.Query(bg)
		if err != nil {
			r.Fatal(err)
		}
		defer res.Close()
		ch, err := res.Next()
		if err != nil {
			r.Fatal(err)
		}
		if list := ch.Col(0).Floats(0); !reflect.DeepEqual(append([]float32{}, list...), v) {
			r.Fatalf("%v, want %v", list, v)
		}
	})
	if _, err := try(c, "SELECT engram_floats('abc'::BLOB)"); err == nil {
		t.Error("three bytes made a number")
	}
}
