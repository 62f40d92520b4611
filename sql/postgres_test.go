package sql

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// postgresBin finds the programs of a PostgreSQL 15 server, "" when there are none.
func postgresBin() string {
	for _, dir := range []string{"/usr/lib/postgresql/15/bin", "/usr/pgsql-15/bin", "/opt/homebrew/opt/postgresql@15/bin"} {
		if _, err := os.Stat(filepath.Join(dir, "initdb")); err == nil {
			return dir
		}
	}
	return ""
}

// startPostgres starts a PostgreSQL of its own in a new directory, as a user without rights when the test runs as root,
// and connects to it.
func startPostgres(t *testing.T) *pgconn.PgConn {
	bin := postgresBin()
	if bin == "" {
		t.Skip("PostgreSQL 15 is not installed: nothing to compare with")
	}
	dir, err := os.MkdirTemp("", "pg15-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var as *syscall.Credential
	if os.Getuid() == 0 {
		u, err := user.Lookup("postgres")
		if err != nil {
			if u, err = user.Lookup("nobody"); err != nil {
				t.Skip("there is no user to run PostgreSQL as")
			}
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			t.Skip(err)
		}
	}
	run := func(name string, args ...string) error {
		cmd := exec.Command(filepath.Join(bin, name), args...)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: as}
		out, err := cmd.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%s: %w\n%s", name, err, out)
		}
		return err
	}
	data := filepath.Join(dir, "data")
	if err := run("initdb", "-D", data, "-U", "engram", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"); err != nil {
		t.Skip(err)
	}
	opts := fmt.Sprintf("-c listen_addresses='' -c unix_socket_directories=%s -c fsync=off -c timezone=UTC", dir)
	if err := run("pg_ctl", "-D", data, "-w", "-l", filepath.Join(dir, "log"), "-o", opts, "start"); err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { run("pg_ctl", "-D", data, "-m", "immediate", "stop") })
	conn, err := pgconn.Connect(context.Background(), "host="+dir+" user=engram dbname=postgres")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

// askPostgres gives what PostgreSQL answers in the form of script.
func askPostgres(conn *pgconn.PgConn, text string) string {
	var b strings.Builder
	results, err := conn.Exec(context.Background(), text).ReadAll()
	for _, r := range results {
		if len(r.FieldDescriptions) > 0 {
			var cols []string
			for _, f := range r.FieldDescriptions {
				cols = append(cols, fmt.Sprintf("%s %d", f.Name, f.DataTypeOID))
			}
			fmt.Fprintf(&b, "[%s]\n", strings.Join(cols, ", "))
		}
		for _, row := range r.Rows {
			parts := make([]string, len(row))
			for i, v := range row {
				switch {
				case v == nil:
					parts[i] = "NULL"
				case len(v) == 0:
					parts[i] = "''"
				default:
					parts[i] = strings.ReplaceAll(string(v), "\n", "\\n")
				}
			}
			b.WriteString(strings.Join(parts, "|") + "\n")
		}
		if r.Err == nil {
			fmt.Fprintf(&b, "(%s)\n", r.CommandTag)
		}
	}
	var pe *pgconn.PgError
	if errors.As(err, &pe) {
		fmt.Fprintf(&b, "ERROR %s\n", pe.Code)
	} else if err != nil {
		fmt.Fprintf(&b, "CONNECTION: %v\n", err)
	}
	return b.String()
}

// oidScript prints the columns as askPostgres does.
type oidScript struct {
	script
	head string
}

func (w *oidScript) Describe(cols []Column) error {
	parts := make([]string, len(cols))
	for i, c := range cols {
		parts[i] = fmt.Sprintf("%s %d", c.Name, c.Type.OID)
	}
	w.head = fmt.Sprintf("[%s]\n", strings.Join(parts, ", ")) // printed with the first row: so does pgconn
	w.cols = cols
	return nil
}

func (w *oidScript) Row(values []any) error {
	w.out.WriteString(w.head)
	w.head = ""
	return w.script.Row(values)
}

func askOurselves(s *Session, text string) string {
	w := &oidScript{}
	w.style = s.Style
	if err := s.Query(context.Background(), text, w); err != nil {
		return w.out.String() + fmt.Sprintf("ERROR %s\n", codeOf(err))
	}
	return w.out.String()
}

// TestAgainstPostgres runs testdata/compare.sql on PostgreSQL 15 and on the engine: column names, types, values, command
// tags and SQLSTATEs must be the same. Statements are separated by empty lines. A comment "-- differs: why" before one
// says that it is known to differ, and then it must differ.
func TestAgainstPostgres(t *testing.T) {
	conn := startPostgres(t)
	s := testSession(t, testEngine(t))
	b, err := os.ReadFile("testdata/compare.sql")
	if err != nil {
		t.Fatal(err)
	}
	asked, differ := 0, 0
	for _, text := range strings.Split(string(b), "\n\n") {
		text = strings.TrimSpace(text)
		if text == "" {
			continue
		}
		asked++
		why, known := "", false
		if strings.HasPrefix(text, "-- differs: ") {
			known = true
			why, text, _ = strings.Cut(strings.TrimPrefix(text, "-- differs: "), "\n")
		}
		want, got := askPostgres(conn, text), askOurselves(s, text)
		switch {
		case want != got && !known:
			t.Errorf("%s\nPostgreSQL:\n%sours:\n%s", text, want, got)
		case want == got && known:
			t.Errorf("%s\nis said to differ (%s), but does not", text, why)
		case known:
			differ++
		}
	}
	t.Logf("%d statements compared, %d known to differ", asked, differ)
}
