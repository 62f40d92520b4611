package wire

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"engram/db"
	"engram/internal/postgres"
	"engram/sql"

	"github.com/jackc/pgx/v5/pgproto3"
)

// TestTranscripts plays the scripts of testdata/pgtest. A script is a list of lines, each a JSON array: a comment;
// "send" with messages, each its type byte and fields; "want" with the answers as client.line spells them. Parameter
// statuses are left out. The same scripts are played against PostgreSQL where it is installed, which shows that what
// they want is what PostgreSQL does; those named *.engram.jsonl are ours alone.
func TestTranscripts(t *testing.T) {
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
	addr := start(t, &Server{Engine: Of(e), Auth: AuthTrust})
	for _, file := range scripts(t) {
		t.Run(file, func(t *testing.T) {
			c := dial(t, addr)
			c.write(startupPacket(3<<16, "user", "engram"))
			c.untilReady()
			play(t, c, file)
		})
	}
}

func TestTranscriptsAgainstPostgreSQL(t *testing.T) {
	dir := postgres.Start(t)
	for _, file := range scripts(t) {
		if strings.HasSuffix(file, ".engram.jsonl") {
			continue
		}
		t.Run(file, func(t *testing.T) {
			nc, err := net.Dial("unix", filepath.Join(dir, ".s.PGSQL.5432"))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			nc.SetDeadline(time.Now().Add(20 * time.Second))
			c := &client{t: t, conn: nc, r: bufio.NewReader(nc)}
			c.write(startupPacket(3<<16, "user", "postgres"))
			c.untilReady()
			play(t, c, file)
		})
	}
}

func scripts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/pgtest/*.jsonl")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts: ", err)
	}
	return files
}

func play(t *testing.T, c *client, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for n, line := range bytes.Split(bytes.TrimSpace(text), []byte("\n")) {
		var step []json.RawMessage
		var what string
		if err := json.Unmarshal(line, &step); err != nil || len(step) == 0 || json.Unmarshal(step[0], &what) != nil {
			t.Fatalf("%s:%d: %v", file, n+1, err)
		}
		switch {
		case strings.HasPrefix(what, "#"):
		case what == "send":
			for _, raw := range step[1:] {
				c.send(message(t, raw))
			}
		case what == "want":
			for i, raw := range step[1:] {
				var want string
				if err := json.Unmarshal(raw, &want); err != nil {
					t.Fatal(err)
				}
				got, err := c.next()
				for err == nil && strings.HasPrefix(got, "S ") {
					got, err = c.next()
				}
				if err != nil || got != want {
					t.Fatalf("%s:%d, answer %d: %q (%v), want %q", file, n+1, i+1, got, err, want)
				}
			}
		default:
			t.Fatalf("%s:%d: unknown step %q", file, n+1, what)
		}
	}
	c.send(&pgproto3.Terminate{})
	c.expectEnd()
}

// message builds one message of a script.
func message(t *testing.T, raw json.RawMessage) pgproto3.FrontendMessage {
	t.Helper()
	var f []any
	if err := json.Unmarshal(raw, &f); err != nil {
		t.Fatal(err)
	}
	field := func(i int) string {
		if i >= len(f) {
			return ""
		}
		return fmt.Sprint(f[i])
	}
	list := func(i int) []any {
		if i >= len(f) {
			return nil
		}
		return f[i].([]any)
	}
	codes := func(i int) (out []int16) {
		for _, v := range list(i) {
			out = append(out, int16(v.(float64)))
		}
		return out
	}
	switch f[0] {
	case "Q":
		return query(field(1))
	case "P":
		return &pgproto3.Parse{Name: field(1), Query: field(2)}
	case "B":
		m := &pgproto3.Bind{DestinationPortal: field(1), PreparedStatement: field(2), ParameterFormatCodes: codes(4), ResultFormatCodes: codes(5)}
		for _, v := range list(3) {
			var value []byte
			if s, ok := v.(string); ok {
				value = []byte(s)
			}
			m.Parameters = append(m.Parameters, value)
		}
		return m
	case "D":
		return &pgproto3.Describe{ObjectType: field(1)[0], Name: field(2)}
	case "E":
		return &pgproto3.Execute{Portal: field(1), MaxRows: uint32(f[2].(float64))}
	case "C":
		return &pgproto3.Close{ObjectType: field(1)[0], Name: field(2)}
	case "S":
		return &pgproto3.Sync{}
	case "H":
		return &pgproto3.Flush{}
	case "d":
		return &pgproto3.CopyData{Data: []byte(field(1))}
	case "c":
		return &pgproto3.CopyDone{}
	case "f":
		return &pgproto3.CopyFail{Message: field(1)}
	}
	t.Fatalf("unknown message %s", raw)
	return nil
}
