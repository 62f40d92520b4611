package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// address is the server's host and port.
func (s *testServer) address(t *testing.T) string {
	t.Helper()
	c, err := pgconn.ParseConfig(s.url)
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
}

func code(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// Whatever clients send, each gets a clear error, and the server lives.
func TestServerOutlivesBadClients(t *testing.T) {
	s := serve(t, t.TempDir())
	ctx := context.Background()
	good := s.connect(t)
	if _, err := good.Exec(ctx, "create table items (id bigint primary key, embedding vector(3))"); err != nil {
		t.Fatal(err)
	}
	f := func(wantCode, wantText, statement string, args ...any) {
		t.Helper()
		_, err := good.Exec(ctx, statement, args...)
		if err == nil || code(err) != wantCode || !strings.Contains(err.Error(), wantText) {
			t.Errorf("%s: %v, want %s with %q", statement, err, wantCode, wantText)
		}
	}
	f("42P01", `relation "nowhere" does not exist`, "select * from nowhere")
	f("22000", "expected 3 dimensions, not 2", "insert into items values (1, '[1,2]')")
	f("22000", "different vector dimensions 3 and 2", "select * from items order by embedding <-> '[1,2]'::vector limit 1")
	f("22P02", `invalid input syntax for type vector: "[1,2,oops]"`, "insert into items values (1, '[1,2,oops]')")
	f("22P02", `invalid input syntax for type vector: "oops"`, "select 'oops'::vector")
	f("42601", "syntax error", "selekt 1")
	f("22012", "division by zero", "select 1/0")

	if _, err := pgx.Connect(ctx, strings.Replace(s.url, ":secret", ":wrong", 1)); code(err) != "28P01" {
		t.Errorf("wrong password: %v", err)
	}
	if _, err := pgx.Connect(ctx, strings.Replace(s.url, "//engram:", "//nobody:", 1)); code(err) != "28P01" {
		t.Errorf("unknown role: %v", err)
	}
	random := rand.New(rand.NewPCG(3, 4))
	garbage := make([]byte, 4096)
	for i := range garbage {
		garbage[i] = byte(random.Uint32())
	}
	huge := binary.BigEndian.AppendUint32(nil, 0x7fffffff)
	for name, bytes := range map[string][]byte{"garbage": garbage, "http": []byte("GET / HTTP/1.1\r\n\r\n"), "huge length": huge,
		"short length": {0, 0, 0, 1}, "nothing": nil} {
		conn, err := net.Dial("tcp", s.address(t))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if _, err := conn.Write(bytes); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if name != "nothing" {
			conn.SetReadDeadline(time.Now().Add(10 * time.Second))
			one := make([]byte, 1<<16)
			for {
				if _, err := conn.Read(one); err != nil {
					var timeout net.Error
					if errors.As(err, &timeout) && timeout.Timeout() {
						t.Errorf("%s: the server keeps waiting", name)
					}
					break
				}
			}
		}
		conn.Close()
	}
	// A message that claims to be larger than the server takes.
	bad := s.connect(t)
	raw := bad.PgConn().Conn()
	if _, err := raw.Write(append([]byte{'Q'}, binary.BigEndian.AppendUint32(nil, 0x7ffffff0)...)); err != nil {
		t.Error(err)
	}
	raw.SetReadDeadline(time.Now().Add(10 * time.Second))
	if n, err := raw.Read(make([]byte, 1<<16)); err == nil && n == 0 {
		t.Error("oversized message: no answer")
	}
	var one int
	if err := good.QueryRow(ctx, "select 1").Scan(&one); err != nil || one != 1 {
		t.Errorf("the server does not answer after all that: %v\n%s", err, s.log)
	}
	s.terminate(t)
}
