package duck

import (
	"context"
	"fmt"
	"testing"
)

var bg = context.Background()

func open(t testing.TB, c *Config) *Instance {
	t.Helper()
	if c == nil {
		c = &Config{MemoryLimit: 512 << 20, Threads: 2}
	}
	i, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Close(); err != nil {
			t.Errorf("close instance: %v", err)
		}
	})
	return i
}

func connect(t testing.TB, i *Instance) *Conn {
	t.Helper()
	c, err := i.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close connection: %v", err)
		}
	})
	return c
}

// try runs one statement with parameters and gives all rows.
func try(c *Conn, sql string, params ...any) ([][]any, error) {
	s, err := c.Prepare(bg, sql)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	defer s.Close()
	for k, p := range params {
		if err := s.Bind(k+1, p, Type{}); err != nil {
			return nil, err
		}
	}
	r, err := s.Query(bg)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return drain(r)
}

func drain(r *Result) ([][]any, error) {
	var rows [][]any
	for {
		ch, err := r.Next()
		if err != nil || ch == nil {
			return rows, err
		}
		for i := range ch.Rows() {
			row := make([]any, len(r.Columns()))
			for j := range row {
				row[j] = ch.Col(j).Value(i)
			}
			rows = append(rows, row)
		}
	}
}

func query(t testing.TB, c *Conn, sql string, params ...any) [][]any {
	t.Helper()
	rows, err := try(c, sql, params...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return rows
}

func exec(t testing.TB, c *Conn, sql string) {
	t.Helper()
	if err := c.Exec(bg, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

// table is a Relation over Go rows.
type table struct {
	cols   []Column
	rows   [][]any
	closed int
	onNext func() error
}

func (r *table) Columns() []Column { return r.cols }
func (r *table) Rows() int64       { return int64(len(r.rows)) }
func (r *table) Scan(ctx context.Context, projection []int) (RelationScan, error) {
	return &tableScan{r: r, ctx: ctx, projection: projection}, nil
}

type tableScan struct {
	r          *table
	ctx        context.Context
	projection []int
	at         int
}

func (s *tableScan) Next(cols []*Writer, max int) (int, error) {
	if s.r.onNext != nil {
		if err := s.r.onNext(); err != nil {
			return 0, err
		}
	}
	n := min(max, len(s.r.rows)-s.at)
	for k, j := range s.projection {
		for i := range n {
			cols[k].SetValue(i, s.r.rows[s.at+i][j])
		}
	}
	s.at += n
	return n, nil
}

func (s *tableScan) Close() error { s.r.closed++; return nil }

// identity copies its argument by the generic accessors.
func identity(_ context.Context, args []Vector, rows int, out *Writer) error {
	for i := range rows {
		out.SetValue(i, args[0].Value(i))
	}
	return nil
}

// failing fails in the second chunk.
func failing(_ context.Context, args []Vector, rows int, out *Writer) error {
	for i := range rows {
		if args[0].Int64(i) == 3000 {
			return fmt.Errorf("three thousand")
		}
		out.SetInt64(i, 0)
	}
	return nil
}
