package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// psql runs a real psql on the server, one -c a command, and answers what it prints.
func psql(t *testing.T, s *testServer, commands ...string) string {
	t.Helper()
	if _, err := exec.LookPath("psql"); err != nil {
		t.Skip("psql is not installed")
	}
	args := []string{"-X", s.url}
	for _, c := range commands {
		args = append(args, "-c", c)
	}
	cmd := exec.Command("psql", args...)
	cmd.Env = append(os.Environ(), "PGCONNECT_TIMEOUT=10", "LC_ALL=C.UTF-8", "PAGER=")
	out, err := cmd.CombinedOutput()
	if err != nil && !strings.Contains(string(out), "Did not find any relation") {
		t.Errorf("psql %q: %v\n%s", commands, err, out)
	}
	return string(out)
}

// Every line must be in the output, in this order.
func wantLines(t *testing.T, out string, lines ...string) {
	t.Helper()
	rest := out
	for _, l := range lines {
		_, after, found := strings.Cut(rest, l)
		if !found {
			t.Errorf("no %q after what was found before in\n%s", l, out)
			return
		}
		rest = after
	}
}

func TestPsql(t *testing.T) {
	s := serve(t, t.TempDir())
	psql(t, s, `create schema app`, `create table app.hidden (n int)`,
		`create table items (id bigserial primary key, name varchar(20) not null default 'x', price numeric(10,2) check (price > 0), embedding vector(3), unique (name))`,
		`comment on table items is 'what we sell'`)

	out := psql(t, s, `\d memories`)
	wantLines(t, out, `Table "public.memories"`, "Column", "Type", "Nullable", "Default",
		"id ", "| bigint ", "not null", "created_at", "timestamp with time zone", "metadata", "jsonb",
		"joint_embedding | vector(768)", "Indexes:", `"memories_pkey" PRIMARY KEY, btree (id)`)

	out = psql(t, s, `\d items`)
	wantLines(t, out, `Table "public.items"`,
		`id        | bigint                |           | not null | nextval('items_id_seq'::regclass)`,
		`name      | character varying(20) |           | not null | 'x'`,
		`price     | numeric(10,2)         |`, `embedding | vector(3) `,
		"Indexes:", `"items_pkey" PRIMARY KEY, btree (id)`, `"items_name_key" UNIQUE CONSTRAINT, btree (name)`,
		"Check constraints:", `"items_price_check" CHECK (price > `)

	wantLines(t, psql(t, s, `\dt`), "List of relations", "public | items", "| table | engram", "public | memories", "(2 rows)")
	wantLines(t, psql(t, s, `\dt app.*`), "app", "hidden")
	wantLines(t, psql(t, s, `\conninfo`), `You are connected to database "engram" as user "engram"`, "127.0.0.1")
	wantLines(t, psql(t, s, `\timing`, `select 1 as one`), "Timing is on.", "one", "1", "(1 row)")
	wantLines(t, psql(t, s, `\x`, `select 1 as one, 'a' as two`), "Expanded display is on.", "-[ RECORD 1 ]", "one | 1", "two | a")
	wantLines(t, psql(t, s, `\dn`), "app", "public")
	wantLines(t, psql(t, s, `\du`), "engram", "Superuser")
	wantLines(t, psql(t, s, `\l`), "engram", "UTF8")
	wantLines(t, psql(t, s, `\di`), "items_name_key", "items_pkey", "memories_pkey")
	wantLines(t, psql(t, s, `\d nothing`), `Did not find any relation named "nothing".`)
	wantLines(t, psql(t, s, `\dt+ items`), "what we sell")
	if out := psql(t, s, `select version()`); !regexp.MustCompile(`PostgreSQL 15\.\d+.*Engram`).MatchString(out) {
		t.Errorf("version: %s", out)
	}
}
