package wire

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"engram/db"
	"engram/internal/postgres"
	"engram/sql"
)

// psqlObjects are made in both servers.
const psqlObjects = `
CREATE SCHEMA app;
CREATE TABLE items (id bigint PRIMARY KEY, name varchar(20) NOT NULL DEFAULT 'x', price numeric(10,2), tags text[], at timestamptz,
	CONSTRAINT items_name_price_key UNIQUE (name, price), CONSTRAINT counted CHECK (id > 0));
CREATE INDEX items_at_idx ON items (at);
CREATE UNIQUE INDEX items_tag ON items (tags);
COMMENT ON TABLE items IS 'things';
COMMENT ON COLUMN items.name IS 'what it is called';
CREATE TABLE app."Odd Name" (k int, "select" text);
CREATE TABLE counted (n serial PRIMARY KEY, m int GENERATED ALWAYS AS IDENTITY, t text DEFAULT 'it''s', at timestamptz DEFAULT now());
CREATE VIEW cheap AS SELECT id, name FROM items;
`

// psqlCommands are compared literally.
var psqlCommands = []string{`\d`, `\d items`, `\d+ items`, `\d+ app.*`, `\d items_pkey`, `\d items_at_idx`, `\d app.*`, `\d cheap`, `\d counted`, `\dt`, `\dt app.*`, `\di`, `\dv`, `\ds`, `\dn`,
	`\d nothing`, `\dm`, `\dE`, `\l template9`, `\dD`, `\dc nothing`, `\dF nothing`, `\dew`, `\des`, `\dRp`, `\dy`, `\sf nothing`}

// psqlShared are run in Engram alone: what they print differs by nature, but it must not fail.
var psqlShared = []string{`\d+ items`, `\dt+`, `\di+`, `\dv+`, `\dn+`, `\df`, `\dT`, `\dT+`, `\do`, `\dx`, `\dx+`, `\l`, `\l+`, `\du`, `\du+`, `\dp`, `\z`,
	`\dconfig`, `\dconfig *`, `\d memories`, `\d+ memories`, `\dS`, `\dtS`, `\db`, `\db+`, `\dC`, `\dO`, `\dd`, `\dg`, `\dL`, `\ddp`, `\dA`, `\dAc`, `\dAf`,
	`\dFd`, `\dFp`, `\dFt`, `\dRs`, `\drds`, `\dX`, `\dP`, `\conninfo`, `\encoding`, `\df upper`, `\da`, `\dfS`, `\doS`, `\d pg_class`}

// psqlRun gives what psql prints.
func psqlRun(t *testing.T, program, host, port, user, text string) string {
	t.Helper()
	c := exec.Command(program, "-X", "-h", host, "-p", port, "-U", user, "-d", map[string]string{"postgres": "postgres", "engram": "engram"}[user])
	c.Env = append(os.Environ(), "LC_ALL=C", "PGCLIENTENCODING=UTF8", "PAGER=", "PGPASSWORD=")
	c.Stdin = strings.NewReader(text + "\n")
	out, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("psql: %v\n%s", err, out)
	}
	return string(out)
}

// psqlEach runs commands in one psql and gives what each of them printed.
func psqlEach(commands []string, run func(string) string) map[string]string {
	var text strings.Builder
	for _, c := range commands {
		text.WriteString("\\echo ==== " + strings.ReplaceAll(c, "\\", "") + "\n" + c + "\n")
	}
	parts := strings.Split(run(text.String()), "==== ")
	out := map[string]string{}
	for i, c := range commands {
		if i+1 < len(parts) {
			_, out[c], _ = strings.Cut(parts[i+1], "\n")
		} else {
			out[c] = "ERROR: nothing was printed"
		}
	}
	return out
}

var psqlVersion = regexp.MustCompile(`\) 15\.`)

// TestPsql: psql's commands work, and print for user objects what they print with PostgreSQL 15.
func TestPsql(t *testing.T) {
	program, err := exec.LookPath("psql")
	if err != nil {
		t.Skip("psql is not installed")
	}
	if v, err := exec.Command(program, "--version").Output(); err != nil || !psqlVersion.Match(v) {
		t.Skipf("psql is another version than 15: %s", v)
	}
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
	host, port, err := net.SplitHostPort(start(t, &Server{Engine: Of(e), Auth: AuthTrust}))
	if err != nil {
		t.Fatal(err)
	}
	ours := func(text string) string { return psqlRun(t, program, host, port, "engram", text) }
	for text, out := range psqlEach(psqlShared, ours) {
		if strings.Contains(out, "ERROR") {
			t.Errorf("%s\n%s", text, out)
		}
	}
	if out := ours(psqlObjects); strings.Contains(out, "ERROR") {
		t.Fatal(out)
	}
	for text, out := range psqlEach(append([]string{`\sv cheap`}, psqlShared...), ours) {
		if strings.Contains(out, "ERROR") {
			t.Errorf("%s\n%s", text, out)
		}
	}
	t.Run("PostgreSQL", func(t *testing.T) {
		dir := postgres.Start(t)
		if _, err := os.Stat(filepath.Join(dir, ".s.PGSQL.5432")); err != nil {
			t.Fatal(err)
		}
		theirs := func(text string) string { return psqlRun(t, program, dir, "5432", "postgres", text) }
		if v := theirs("SHOW server_version"); !strings.Contains(v, " 15.") {
			t.Skipf("PostgreSQL is another version than 15: %s", v)
		}
		if out := theirs(psqlObjects); strings.Contains(out, "ERROR") {
			t.Fatal(out)
		}
		want := psqlEach(psqlCommands, theirs)
		for text, got := range psqlEach(psqlCommands, ours) {
			if neutral(got) != neutral(want[text]) {
				t.Errorf("%s\nhere:\n%s\nPostgreSQL:\n%s", text, got, want[text])
			}
		}
	})
}

// neutral takes out what differs by nature: the owner's name, the widths that follow from it, and the table that every
// database of ours has.
func neutral(out string) string {
	var lines []string
	for line := range strings.Lines(out) {
		if strings.Contains(line, "memor") || strings.HasPrefix(line, "-") || strings.HasPrefix(line, "(") || strings.Contains(line, "List of ") {
			continue
		}
		line = strings.NewReplacer("pg_database_owner", "owner", "postgres", "owner", "engram", "owner").Replace(line)
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}
