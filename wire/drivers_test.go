package wire

import (
	"bytes"
	"context"
	stdsql "database/sql"
	"errors"
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"engram/db"
	"engram/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/lib/pq"
	"github.com/pgvector/pgvector-go"
	pgxvector "github.com/pgvector/pgvector-go/pgx"
)

// withPassword is an engine whose roles all have one password.
type withPassword struct {
	Engine
	verifier string
}

func (e withPassword) Role(name string) (*sql.Role, bool, error) {
	r, ok, err := e.Engine.Role(name)
	if ok {
		copied := *r
		copied.Verifier = e.verifier
		r = &copied
	}
	return r, ok, err
}

// database serves a new database over TCP with TLS and passwords, and gives a URL of its superuser, whose password is
// "s3cret". The server's certificate is in the URL too.
func database(t testing.TB) (url string) {
	t.Helper()
	d, err := db.Open(t.TempDir(), &db.Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	e, err := sql.Open(d, &sql.Options{Threads: 2, MemoryLimit: 512 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	verifier, err := sql.NewVerifier("s3cret")
	if err != nil {
		t.Fatal(err)
	}
	serverTLS, _ := certificate(t)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pemOf(serverTLS), 0o600); err != nil {
		t.Fatal(err)
	}
	addr := start(t, &Server{Engine: withPassword{Of(e), verifier}, TLS: serverTLS, RequireTLS: true})
	return fmt.Sprintf("postgres://engram:s3cret@%s/engram?sslmode=verify-full&sslrootcert=%s", addr, ca)
}

func open(t testing.TB, url string, mode pgx.QueryExecMode) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = mode
	c, err := pgx.ConnectConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

var modes = []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}

// TestPgx stores and reads a value of every type in every mode of the driver.
func TestPgx(t *testing.T) {
	url := database(t)
	ctx := context.Background()
	c := open(t, url, pgx.QueryExecModeCacheStatement)
	exec := func(text string, args ...any) {
		t.Helper()
		if _, err := c.Exec(ctx, text, args...); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	exec(`CREATE TABLE kinds (id int PRIMARY KEY, b bool, i2 int2, i8 int8, f4 float4, f8 float8, n numeric(20,4), t text, v varchar(10),
		by bytea, u uuid, d date, ts timestamp, tz timestamptz, iv interval, j jsonb, ia int4[], ta text[])`)
	when := time.Date(2024, 2, 29, 12, 34, 56, 789012000, time.UTC)
	num := pgtype.Numeric{Int: big.NewInt(-1234567), Exp: -4, Valid: true}
	in := []any{true, int16(-5), int64(math.MaxInt64), float32(1.5), -0.1, num, "naïve ' \\ text", "ten", []byte{0, 1, 0xff}, [16]byte{1, 2, 3},
		when.Truncate(24 * time.Hour), when, when, pgtype.Interval{Months: 14, Days: -3, Microseconds: 5, Valid: true}, map[string]any{"a": 1.5, "b": []any{"x", nil}},
		[]int32{1, -2, 3}, []string{"a b", `"`, "", "NULL", "{}"}}
	for id, mode := range modes {
		c := open(t, url, mode)
		t.Run(mode.String(), func(t *testing.T) {
			args := append([]any{id}, in...)
			args[10], args[15] = pgtype.UUID{Bytes: in[9].([16]byte), Valid: true}, `{"a": 1.5, "b": ["x", null]}` // that the driver spells without knowing the types
			tag, err := c.Exec(ctx, `INSERT INTO kinds VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13,$14,$15,$16,$17,$18)`, args...)
			if err != nil || tag.String() != "INSERT 0 1" {
				t.Fatal(tag, err)
			}
			var (
				b      bool
				i2     int16
				i8     int64
				f4     float32
				f8     float64
				n      pgtype.Numeric
				tx, vc string
				by     []byte
				u      [16]byte
				d      time.Time
				ts, tz time.Time
				iv     pgtype.Interval
				j      map[string]any
				ia     []int32
				ta     []string
			)
			err = c.QueryRow(ctx, `SELECT b, i2, i8, f4, f8, n, t, v, by, u, d, ts, tz, iv, j, ia, ta FROM kinds WHERE id = $1`, id).
				Scan(&b, &i2, &i8, &f4, &f8, &n, &tx, &vc, &by, &u, &d, &ts, &tz, &iv, &j, &ia, &ta)
			if err != nil {
				t.Fatal(err)
			}
			out := []any{b, i2, i8, f4, f8, n, tx, vc, by, u, d, ts, tz.UTC(), iv, j, ia, ta}
			for i := range in {
				if !reflect.DeepEqual(in[i], out[i]) {
					t.Errorf("value %d (%T): %v, want %v", i, in[i], out[i], in[i])
				}
			}
			var null *string
			if err := c.QueryRow(ctx, `SELECT t FROM kinds WHERE id = $1 AND t = 'no'`, id).Scan(&null); !errors.Is(err, pgx.ErrNoRows) {
				t.Error(err)
			}
		})
	}
	t.Run("errors", func(t *testing.T) {
		var pgErr *pgconn.PgError
		if _, err := c.Exec(ctx, "INSERT INTO kinds (id) VALUES (0)"); !errors.As(err, &pgErr) || pgErr.Code != "23505" || pgErr.TableName != "kinds" || pgErr.ConstraintName == "" {
			t.Errorf("%v %+v", err, pgErr)
		}
		if _, err := c.Exec(ctx, "SELECT * FROM nowhere"); !errors.As(err, &pgErr) || pgErr.Code != "42P01" {
			t.Error(err)
		}
		if _, err := c.Exec(ctx, "SELEC 1"); !errors.As(err, &pgErr) || pgErr.Code != "42601" || pgErr.Position != 1 {
			t.Error(err, pgErr)
		}
	})
	t.Run("transactions", func(t *testing.T) {
		tx, err := c.Begin(ctx)
		if err != nil {
			t.Fatal(err)
		}
		tx.Exec(ctx, "INSERT INTO kinds (id) VALUES (100)")
		inner, err := tx.Begin(ctx) // a savepoint
		if err != nil {
			t.Fatal(err)
		}
		inner.Exec(ctx, "INSERT INTO kinds (id) VALUES (101)")
		if err := inner.Rollback(ctx); err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(ctx); err != nil {
			t.Fatal(err)
		}
		var n int
		if err := c.QueryRow(ctx, "SELECT count(*) FROM kinds WHERE id >= 100").Scan(&n); err != nil || n != 1 {
			t.Error(n, err)
		}
	})
	t.Run("pipeline", func(t *testing.T) {
		var batch pgx.Batch
		for i := range 50 {
			batch.Queue("INSERT INTO kinds (id, t) VALUES ($1, $2)", 1000+i, fmt.Sprint(i))
		}
		batch.Queue("SELECT count(*) FROM kinds WHERE id >= 1000")
		r := c.SendBatch(ctx, &batch)
		for range 50 {
			if _, err := r.Exec(); err != nil {
				t.Fatal(err)
			}
		}
		var n int
		if err := r.QueryRow().Scan(&n); err != nil || n != 50 {
			t.Error(n, err)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Run("copy", func(t *testing.T) {
		rows := [][]any{}
		for i := range 1000 {
			rows = append(rows, []any{int32(5000 + i), fmt.Sprintf("row\t%d", i), float64(i) / 3})
		}
		n, err := c.CopyFrom(ctx, pgx.Identifier{"kinds"}, []string{"id", "t", "f8"}, pgx.CopyFromRows(rows))
		if err != nil || n != 1000 {
			t.Fatal(n, err)
		}
		var out bytes.Buffer
		tag, err := c.PgConn().CopyTo(ctx, &out, "COPY (SELECT id, t FROM kinds WHERE id IN (5000, 5001) ORDER BY id) TO STDOUT")
		if err != nil || tag.String() != "COPY 2" || out.String() != "5000\trow\\t0\n5001\trow\\t1\n" {
			t.Errorf("%q %v %v", out.String(), tag, err)
		}
		if _, err := c.PgConn().CopyFrom(ctx, strings.NewReader("x\ty\n"), "COPY kinds (id, t) FROM STDIN"); err == nil {
			t.Error("a bad row was taken")
		}
		if err := c.Ping(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		c := open(t, url, pgx.QueryExecModeCacheStatement)
		short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		_, err := c.Exec(short, "SELECT pg_sleep(30)")
		if err == nil || time.Since(began) > 10*time.Second {
			t.Error(err, time.Since(began))
		}
	})
}

// TestVectors uses pgvector's own driver types, in text and in binary.
func TestVectors(t *testing.T) {
	url := database(t)
	ctx := context.Background()
	c := open(t, url, pgx.QueryExecModeCacheStatement)
	if err := pgxvector.RegisterTypes(ctx, c); err != nil { // binary from here on
		t.Fatal(err)
	}
	if _, err := c.Exec(ctx, "CREATE TABLE items (id int8 PRIMARY KEY, v vector(3), h halfvec(3))"); err != nil {
		t.Fatal(err)
	}
	for i, v := range [][]float32{{1, 1, 1}, {2, 2, 2}, {1, 1, 2.5}} {
		if _, err := c.Exec(ctx, "INSERT INTO items VALUES ($1, $2, $3)", i+1, pgvector.NewVector(v), pgvector.NewHalfVector(v)); err != nil {
			t.Fatal(err)
		}
	}
	var pgErr *pgconn.PgError
	if _, err := c.Exec(ctx, "INSERT INTO items VALUES (9, $1)", pgvector.NewVector([]float32{1, 2})); !errors.As(err, &pgErr) || pgErr.Code != "22000" || pgErr.Message != "expected 3 dimensions, not 2" {
		t.Error(err)
	}
	nearest := func(c *pgx.Conn) {
		t.Helper()
		rows, err := c.Query(ctx, "SELECT id, v, h, v <-> $1 FROM items ORDER BY v <-> $1 LIMIT 2", pgvector.NewVector([]float32{1, 1, 1}))
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for rows.Next() {
			var id int64
			var v pgvector.Vector
			var h pgvector.HalfVector
			var dist float64
			if err := rows.Scan(&id, &v, &h, &dist); err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprint(id, v.Slice(), h.Slice(), dist))
		}
		want := []string{"1 [1 1 1] [1 1 1] 0", "3 [1 1 2.5] [1 1 2.5] 1.5"}
		if rows.Err() != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q %v", got, rows.Err())
		}
	}
	nearest(c)
	for _, mode := range modes {
		nearest(open(t, url, mode)) // text: the types are not registered
	}
}

// TestPq speaks through lib/pq and database/sql.
func TestPq(t *testing.T) {
	url := database(t)
	std, err := stdsql.Open("postgres", url)
	if err != nil {
		t.Fatal(err)
	}
	defer std.Close()
	if _, err := std.Exec("CREATE TABLE p (id serial PRIMARY KEY, t text, a int8[], v vector(2))"); err != nil {
		t.Fatal(err)
	}
	var id int
	if err := std.QueryRow("INSERT INTO p (t, a, v) VALUES ($1, $2, $3) RETURNING id", "x", pq.Array([]int64{1, 2}), pgvector.NewVector([]float32{1, 2})).Scan(&id); err != nil || id != 1 {
		t.Fatal(id, err)
	}
	var text string
	var list []int64
	var v pgvector.Vector
	if err := std.QueryRow("SELECT t, a, v FROM p WHERE id = $1", 1).Scan(&text, pq.Array(&list), &v); err != nil || text != "x" || len(list) != 2 || v.Slice()[1] != 2 {
		t.Fatal(text, list, v, err)
	}
	tx, err := std.Begin()
	if err != nil {
		t.Fatal(err)
	}
	st, err := tx.Prepare(pq.CopyIn("p", "t"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		if _, err := st.Exec(fmt.Sprint("copied ", i)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := st.Exec(); err != nil {
		t.Fatal(err)
	}
	st.Close()
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	var n int
	if err := std.QueryRow("SELECT count(*) FROM p").Scan(&n); err != nil || n != 101 {
		t.Fatal(n, err)
	}
	if _, err := std.Query("SELECT 1/0"); err == nil {
		t.Error("no error")
	} else if e, ok := err.(*pq.Error); !ok || e.Code != "22012" {
		t.Error(err)
	}
	listener := pq.NewListener(url, time.Second, time.Second, nil)
	defer listener.Close()
	if err := listener.Listen("news"); err != nil {
		t.Fatal(err)
	}
	if _, err := std.Exec("NOTIFY news, 'hello'"); err != nil {
		t.Fatal(err)
	}
	select {
	case n := <-listener.Notify:
		if n.Channel != "news" || n.Extra != "hello" {
			t.Errorf("%+v", n)
		}
	case <-time.After(10 * time.Second):
		t.Error("no notification came")
	}
}

// TestPasswordChange: ALTER ROLE decides which password the next login needs, by the engine's own roles.
func TestPasswordChange(t *testing.T) {
	d, err := db.Open(t.TempDir(), &db.Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	e, err := sql.Open(d, &sql.Options{Threads: 2, MemoryLimit: 512 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	ctx := context.Background()
	if err := e.SetPassword(ctx, sql.FirstRole, "first"); err != nil {
		t.Fatal(err)
	}
	addr := start(t, &Server{Engine: Of(e), Auth: AuthSCRAM})
	login := func(user, password string) (*pgx.Conn, error) {
		c, err := pgx.Connect(ctx, fmt.Sprintf("postgres://%s:%s@%s/engram?sslmode=disable", user, password, addr))
		if err == nil {
			t.Cleanup(func() { c.Close(ctx) })
		}
		return c, err
	}
	refused := func(user, password string) {
		t.Helper()
		_, err := login(user, password)
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != "28P01" {
			t.Errorf("%s with password %q: %v, want 28P01", user, password, err)
		}
	}
	accepted := func(user, password string) *pgx.Conn {
		t.Helper()
		c, err := login(user, password)
		if err != nil {
			t.Fatalf("%s with password %q: %v", user, password, err)
		}
		var who string
		if err := c.QueryRow(ctx, "SELECT current_user").Scan(&who); err != nil || who != user {
			t.Fatalf("current_user is %q, %v", who, err)
		}
		return c
	}
	run := func(c *pgx.Conn, text string) {
		t.Helper()
		if _, err := c.Exec(ctx, text); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	refused("engram", "x")
	c := accepted("engram", "first")
	run(c, "ALTER ROLE engram PASSWORD 'x'")
	refused("engram", "first")
	accepted("engram", "x")
	run(c, "SELECT 1") // who is in stays in

	run(c, "BEGIN")
	run(c, "ALTER ROLE engram PASSWORD 'y'")
	refused("engram", "y") // until it is committed
	run(c, "ROLLBACK")
	refused("engram", "y")
	accepted("engram", "x")

	refused("reader", "r")
	run(c, "CREATE ROLE reader LOGIN PASSWORD 'r'")
	accepted("reader", "r")
	run(c, "ALTER ROLE reader NOLOGIN")
	if _, err := login("reader", "r"); err == nil {
		t.Error("a role with NOLOGIN logs in")
	}
	run(c, "ALTER ROLE reader LOGIN PASSWORD NULL")
	refused("reader", "r")
}
