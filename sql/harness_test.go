package sql

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"strings"
	"testing"

	"engram/db"
	"engram/sql/types"
)

// words is a text model for tests: a bag of hashed words.
type words struct{ dim int }

func (w words) Dim() int     { return w.dim }
func (w words) Name() string { return "words" }

func (w words) Encode(_ context.Context, texts []string) ([][]float32, error) {
	out := make([][]float32, len(texts))
	for i, text := range texts {
		v := make([]float32, w.dim)
		for _, word := range strings.Fields(strings.ToLower(text)) {
			h := fnv.New32a()
			h.Write([]byte(word))
			v[int(h.Sum32())%w.dim]++
		}
		var sum float64
		for _, x := range v {
			sum += float64(x * x)
		}
		if sum > 0 {
			for j := range v {
				v[j] /= float32(math.Sqrt(sum))
			}
		}
		out[i] = v
	}
	return out, nil
}

// testEncoder gives the test model.
func testEncoder(context.Context) (db.Encoder, error) { return words{512}, nil }

// testEngine opens an engine over a new database with the test model.
func testEngine(t testing.TB) *Engine {
	t.Helper()
	d, err := db.Open(t.TempDir(), &db.Options{TextEncoder: testEncoder, NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	e, err := Open(d, &Options{TextEncoder: testEncoder, Threads: 2, MemoryLimit: 512 << 20})
	if err != nil {
		d.Close()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return e
}

func testSession(t testing.TB, e *Engine) *Session {
	t.Helper()
	s, err := e.NewSession(context.Background(), SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// script writes results as text.
type script struct {
	out   bytes.Buffer
	style func() *types.Style
	cols  []Column
	names bool // print column names, too
	in    io.Reader
	limit int // of rows, then an error
	rows  int
}

var errStop = errors.New("stop")

func (w *script) Describe(cols []Column) error {
	w.cols = cols
	if w.names {
		parts := make([]string, len(cols))
		for i, c := range cols {
			parts[i] = c.Name + " " + c.Type.String()
		}
		fmt.Fprintf(&w.out, "[%s]\n", strings.Join(parts, ", "))
	}
	return nil
}

func (w *script) Row(values []any) error {
	parts := make([]string, len(values))
	for i, v := range values {
		if v == nil {
			parts[i] = "NULL"
			continue
		}
		t := types.Of(types.TextOID)
		if i < len(w.cols) {
			t = w.cols[i].Type
		}
		b, err := types.AppendText(nil, t, v, w.spelling())
		if err != nil {
			return err
		}
		parts[i] = strings.ReplaceAll(string(b), "\n", "\\n")
		if parts[i] == "" {
			parts[i] = "''"
		}
	}
	fmt.Fprintln(&w.out, strings.Join(parts, "|"))
	w.rows++
	if w.limit > 0 && w.rows >= w.limit {
		return errStop
	}
	return nil
}

func (w *script) Complete(tag string) error { fmt.Fprintf(&w.out, "(%s)\n", tag); return nil }
func (w *script) Empty() error              { fmt.Fprintln(&w.out, "(empty)"); return nil }

func (w *script) CopyIn(CopyFormat) (io.Reader, error) {
	if w.in == nil {
		return strings.NewReader(""), nil
	}
	return w.in, nil
}

func (w *script) CopyOut(CopyFormat) (io.Writer, error) { return &w.out, nil }

// do runs a text and gives what came of it, an error included, as text.
func do(s *Session, text string) string { return doWith(s, text, &script{}) }

func doWith(s *Session, text string, w *script) string {
	w.style = s.Style
	err := s.Query(context.Background(), text, w)
	if err != nil {
		var e *Error
		if !errors.As(err, &e) {
			return w.out.String() + "NOT AN ERROR OF SQL: " + err.Error() + "\n"
		}
		return w.out.String() + fmt.Sprintf("ERROR %s: %s\n", e.Code, e.Message)
	}
	return w.out.String()
}

// must runs a text that may not fail.
func must(t testing.TB, s *Session, text string) string {
	t.Helper()
	out := do(s, text)
	if strings.Contains(out, "ERROR") {
		t.Fatalf("%s\n%s", text, out)
	}
	return out
}

// expect runs a text and compares what came of it.
func expect(t testing.TB, s *Session, text, want string) {
	t.Helper()
	if got := do(s, text); strings.TrimSpace(got) != strings.TrimSpace(want) {
		t.Errorf("%s\ngot:\n%s\nwant:\n%s", text, got, want)
	}
}

func (w *script) spelling() *types.Style {
	if w.style == nil {
		return nil
	}
	return w.style()
}
