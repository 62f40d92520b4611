package sql

import (
	"context"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
	"time"

	"engram/sql/types"
)

// extended runs one statement through Prepare, Bind, Execute and Sync.
func extended(s *Session, text string, params ...string) (string, error) {
	ctx := context.Background()
	st, err := s.Prepare(ctx, "", text, nil)
	if err != nil {
		return "", errors.Join(err, s.Sync(ctx))
	}
	var bound []Param
	for _, p := range params {
		bound = append(bound, Param{Value: []byte(p), Null: p == "NULL"})
	}
	if _, err := s.Bind(ctx, "", "", bound, nil); err != nil {
		return "", errors.Join(err, s.Sync(ctx))
	}
	w := &script{style: s.Style, cols: st.Columns()}
	_, err = s.Execute(ctx, "", 0, w)
	return w.out.String(), errors.Join(err, s.Sync(ctx))
}

func mustExtended(t *testing.T, s *Session, text string, params ...string) string {
	t.Helper()
	out, err := extended(s, text, params...)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return out
}

func codeOf(err error) string {
	if err == nil {
		return ""
	}
	return asError(err).Code
}

func TestDescribeNeverRuns(t *testing.T) {
	s := testSession(t, testEngine(t))
	must(t, s, "CREATE TABLE t (id int PRIMARY KEY, v text, n numeric(10,2))")
	ctx := context.Background()
	for _, c := range []struct{ text, params, columns string }{
		{"SELECT $1", "text", "?column? text"},
		{"SELECT $1 + 1", "integer", "?column? integer"},
		{"SELECT * FROM t WHERE id = $1", "integer", "id integer, v text, n numeric(10,2)"},
		{"SELECT v FROM t WHERE id = ANY($1)", "integer[]", "v text"},
		{"INSERT INTO t VALUES ($1, $2, $3) RETURNING id, n", "integer, text, numeric", "id integer, n numeric(10,2)"},
		{"INSERT INTO t VALUES ($1, $2)", "integer, text", ""},
		{"UPDATE t SET v = $1 WHERE id = $2", "text, integer", ""},
		{"SELECT count(*), sum(id), avg(id) FROM t", "", "count bigint, sum bigint, avg numeric"},
		{"SELECT v FROM t LIMIT $1", "bigint", "v text"},
		{"SHOW server_version", "", "server_version text"},
		{"BEGIN", "", ""},
	} {
		st, err := s.Prepare(ctx, "", c.text, nil)
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			s.Sync(ctx)
			continue
		}
		if got := typeList(st.Params()); got != c.params {
			t.Errorf("%s: parameters %s, want %s", c.text, got, c.params)
		}
		var cols []string
		for _, col := range st.Columns() {
			cols = append(cols, col.Name+" "+col.Type.String())
		}
		if got := strings.Join(cols, ", "); got != c.columns {
			t.Errorf("%s: columns %s, want %s", c.text, got, c.columns)
		}
		if err := s.Sync(ctx); err != nil {
			t.Error(err)
		}
	}
	expect(t, s, "SELECT count(*) FROM t", "0\n(SELECT 1)")
	if s.Status() != 'I' {
		t.Errorf("status %c", s.Status())
	}
}

func typeList(all []types.Type) string {
	var out []string
	for _, t := range all {
		out = append(out, types.Of(t.OID).String())
	}
	return strings.Join(out, ", ")
}

func TestPreparedStatements(t *testing.T) {
	s := testSession(t, testEngine(t))
	ctx := context.Background()
	must(t, s, "CREATE TABLE t (id int PRIMARY KEY, v text)")
	if got := mustExtended(t, s, "INSERT INTO t VALUES ($1, $2)", "1", "one"); got != "(INSERT 0 1)\n" {
		t.Errorf("insert: %q", got)
	}
	mustExtended(t, s, "INSERT INTO t VALUES ($1, $2)", "2", "NULL")
	if got := mustExtended(t, s, "SELECT v FROM t WHERE id = $1", "1"); got != "one\n(SELECT 1)\n" {
		t.Errorf("select: %q", got)
	}
	if got := mustExtended(t, s, "SELECT id FROM t WHERE v IS NULL OR v LIKE $1 ORDER BY id", "o%"); got != "1\n2\n(SELECT 2)\n" {
		t.Errorf("select: %q", got)
	}
	// names
	if _, err := s.Prepare(ctx, "q", "SELECT 1", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Prepare(ctx, "q", "SELECT 1", nil); codeOf(err) != "42P05" {
		t.Errorf("second q: %v", err)
	}
	s.Sync(ctx)
	if _, err := s.Prepare(ctx, "two", "SELECT 1; SELECT 2", nil); codeOf(err) != "42601" {
		t.Errorf("two statements: %v", err)
	}
	s.Sync(ctx)
	if _, err := s.Statement("two"); codeOf(err) != "26000" {
		t.Errorf("a failed Prepare defined its name: %v", err)
	}
	if _, err := s.Bind(ctx, "", "q", []Param{{Value: []byte("1")}}, nil); codeOf(err) != "08P01" {
		t.Errorf("too many parameters: %v", err)
	}
	s.Sync(ctx)
	// values
	if _, err := extended(s, "SELECT v FROM t WHERE id = $1", "x"); codeOf(err) != "22P02" {
		t.Errorf("bad value: %v", err)
	}
	st, err := s.Prepare(ctx, "", "SELECT $1::int + 1", nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Bind(ctx, "", "", []Param{{Value: binary.BigEndian.AppendUint32(nil, 41), Binary: true}}, nil); err != nil {
		t.Fatal(err)
	}
	w := &script{cols: st.Columns()}
	if _, err := s.Execute(ctx, "", 0, w); err != nil || w.out.String() != "42\n(SELECT 1)\n" {
		t.Errorf("binary parameter: %q %v", w.out.String(), err)
	}
	s.Sync(ctx)
}

func TestCachedPlanMustNotChangeResult(t *testing.T) {
	s := testSession(t, testEngine(t))
	ctx := context.Background()
	must(t, s, "CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
	if _, err := s.Prepare(ctx, "q", "SELECT * FROM t", nil); err != nil {
		t.Fatal(err)
	}
	s.Sync(ctx)
	must(t, s, "ALTER TABLE t ADD COLUMN v text")
	if _, err := s.Bind(ctx, "", "q", nil, nil); err != nil {
		t.Fatal(err)
	}
	_, err := s.Execute(ctx, "", 0, &script{})
	if codeOf(err) != "0A000" || !strings.Contains(err.Error(), "cached plan must not change result type") {
		t.Errorf("got %v", err)
	}
	s.Sync(ctx)
}

func TestPortalsSuspend(t *testing.T) {
	s := testSession(t, testEngine(t))
	ctx := context.Background()
	for _, text := range []string{"SELECT g FROM generate_series(1, 5) AS g(g)", "VALUES (1), (2), (3), (4), (5)"} {
		must(t, s, "BEGIN")
		st, err := s.Prepare(ctx, "", text, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Bind(ctx, "p", "", nil, nil); err != nil {
			t.Fatal(err)
		}
		w := &script{cols: st.Columns()}
		if more, err := s.Execute(ctx, "p", 2, w); err != nil || !more || w.out.String() != "1\n2\n" {
			t.Fatalf("%s: %q %v %v", text, w.out.String(), more, err)
		}
		s.Sync(ctx)
		// another statement runs while the portal is suspended, and changes what it might read
		must(t, s, "CREATE TABLE other (a int)")
		w.out.Reset()
		if more, err := s.Execute(ctx, "p", 2, w); err != nil || !more || w.out.String() != "3\n4\n" {
			t.Fatalf("%s: %q %v %v", text, w.out.String(), more, err)
		}
		w.out.Reset()
		if more, err := s.Execute(ctx, "p", 2, w); err != nil || more || w.out.String() != "5\n(SELECT 1)\n" {
			t.Fatalf("%s: %q %v %v", text, w.out.String(), more, err)
		}
		w.out.Reset()
		if _, err := s.Execute(ctx, "p", 0, w); err != nil || w.out.String() != "(SELECT 0)\n" {
			t.Errorf("%s: a portal that has ended gave %q %v", text, w.out.String(), err)
		}
		must(t, s, "ROLLBACK")
		if _, err := s.Portal("p"); codeOf(err) != "34000" {
			t.Errorf("the portal outlived its transaction: %v", err)
		}
	}
}

func TestSegmentIsOneTransaction(t *testing.T) {
	s := testSession(t, testEngine(t))
	ctx := context.Background()
	must(t, s, "CREATE TABLE t (id int PRIMARY KEY)")
	run := func(text string) error {
		if _, err := s.Prepare(ctx, "", text, nil); err != nil {
			return err
		}
		if _, err := s.Bind(ctx, "", "", nil, nil); err != nil {
			return err
		}
		_, err := s.Execute(ctx, "", 0, &script{})
		return err
	}
	if err := errors.Join(run("INSERT INTO t VALUES (1)"), run("INSERT INTO t VALUES (2)")); err != nil {
		t.Fatal(err)
	}
	if err := run("INSERT INTO t VALUES (1)"); codeOf(err) != "23505" {
		t.Fatalf("got %v", err)
	}
	s.Sync(ctx)
	expect(t, s, "SELECT count(*) FROM t", "0\n(SELECT 1)")
	if err := run("INSERT INTO t VALUES (3)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	expect(t, s, "SELECT * FROM t", "3\n(SELECT 1)")
}

// TestResultsStream asks for ten million rows and takes the first ones: they come before the rest is made.
func TestResultsStream(t *testing.T) {
	s := testSession(t, testEngine(t))
	w := &script{limit: 10}
	err := s.Query(context.Background(), "SELECT g FROM generate_series(1, 10000000) AS g(g)", w)
	if err == nil || !strings.HasPrefix(w.out.String(), "1\n2\n3\n") || w.rows != 10 {
		t.Fatalf("%d rows, %v", w.rows, err)
	}
	expect(t, s, "SELECT 1", "1\n(SELECT 1)")
}

func TestCancel(t *testing.T) {
	e := testEngine(t)
	s := testSession(t, e)
	for name, run := range map[string]func(){
		"cancel": func() { s.Cancel() },
		"by pid": func() { e.CancelPID(s.PID()) },
	} {
		stop := time.AfterFunc(100*time.Millisecond, run)
		got := do(s, "SELECT count(*) FROM generate_series(1, 1000000) AS a(a), generate_series(1, 1000000) AS b(b) WHERE a % 7 = b % 11")
		stop.Stop()
		if !strings.HasPrefix(got, "ERROR 57014: canceling statement due to user request") {
			t.Errorf("%s: %s", name, got)
		}
	}
	must(t, s, "SET statement_timeout = 100")
	expect(t, s, "SELECT count(*) FROM generate_series(1, 1000000) AS a(a), generate_series(1, 1000000) AS b(b) WHERE a % 7 = b % 11",
		"ERROR 57014: canceling statement due to statement timeout")
	must(t, s, "SET statement_timeout = 0")
	expect(t, s, "SELECT 1", "1\n(SELECT 1)")
}

func TestConflictsAreRetried(t *testing.T) {
	e := testEngine(t)
	a, b := testSession(t, e), testSession(t, e)
	must(t, a, "CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t VALUES (1, 0)")
	ctx := context.Background()
	// a's statement has run and told its tag; before its commit b changes the same row
	if _, err := a.Prepare(ctx, "", "UPDATE t SET n = n + 1 WHERE id = 1", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Bind(ctx, "", "", nil, nil); err != nil {
		t.Fatal(err)
	}
	w := &script{}
	if _, err := a.Execute(ctx, "", 0, w); err != nil || w.out.String() != "(UPDATE 1)\n" {
		t.Fatalf("%q %v", w.out.String(), err)
	}
	must(t, b, "UPDATE t SET n = n + 10 WHERE id = 1")
	if err := a.Sync(ctx); err != nil {
		t.Fatalf("the statement was not run again: %v", err)
	}
	expect(t, a, "SELECT n FROM t", "11\n(SELECT 1)")
	// when the second run answers otherwise, the client hears of the conflict
	if _, err := a.Prepare(ctx, "", "UPDATE t SET n = n + 1 WHERE id = 1 RETURNING n", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Bind(ctx, "", "", nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Execute(ctx, "", 0, &script{cols: []Column{{Type: types.Of(types.Int4OID)}}}); err != nil {
		t.Fatal(err)
	}
	must(t, b, "UPDATE t SET n = 100 WHERE id = 1")
	if err := a.Sync(ctx); codeOf(err) != "40001" {
		t.Errorf("got %v", err)
	}
	expect(t, a, "SELECT n FROM t", "100\n(SELECT 1)")
}

func TestParameterChanges(t *testing.T) {
	s := testSession(t, testEngine(t))
	first := s.ParameterChanges()
	names := map[string]string{}
	for _, p := range first {
		names[p.Name] = p.Value
	}
	for _, want := range []string{"application_name", "client_encoding", "DateStyle", "default_transaction_read_only", "in_hot_standby",
		"integer_datetimes", "IntervalStyle", "is_superuser", "server_encoding", "server_version", "session_authorization",
		"standard_conforming_strings", "TimeZone"} {
		if _, ok := names[want]; !ok {
			t.Errorf("%s is not reported", want)
		}
	}
	if again := s.ParameterChanges(); len(again) != 0 {
		t.Errorf("reported twice: %v", again)
	}
	must(t, s, "SET TimeZone = 'Europe/Berlin'")
	if got := s.ParameterChanges(); len(got) != 1 || got[0] != (Parameter{"TimeZone", "Europe/Berlin"}) {
		t.Errorf("got %v", got)
	}
	must(t, s, "BEGIN; SET LOCAL TimeZone = 'UTC'")
	if got := s.ParameterChanges(); len(got) != 1 || got[0].Value != "UTC" {
		t.Errorf("got %v", got)
	}
	must(t, s, "COMMIT")
	if got := s.ParameterChanges(); len(got) != 1 || got[0].Value != "Europe/Berlin" {
		t.Errorf("the end of SET LOCAL was not reported: %v", got)
	}
}
