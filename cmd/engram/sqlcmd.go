package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/term"

	"engram/db"
	"engram/sql"
	"engram/sql/types"
)

type sqlCommand struct {
	Dir     string   `xor:"where" required:"" help:"Database directory, opened by this process." type:"path"`
	URL     string   `xor:"where" required:"" name:"url" help:"Server: postgres://user:password@host:port/database."`
	Command []string `short:"c" sep:"none" help:"Run this SQL and exit; may be repeated."`
	File    string   `short:"f" help:"Run the SQL of this file and exit; - reads standard input."`
	Models  string   `help:"Directory of models. Default: ENGRAM_MODELS, else DIR/models." type:"path"`
	Quiet   bool     `short:"q" help:"Print rows only, no command tags."`
}

// target runs SQL text and prints what comes back.
type target interface {
	run(ctx context.Context, text string) error
	close() error
}

func (c *sqlCommand) Run(ctx context.Context) error {
	t, err := c.open(ctx)
	if err != nil {
		return err
	}
	defer t.close()
	switch {
	case len(c.Command) > 0:
		for _, text := range c.Command {
			if err := t.run(ctx, text); err != nil {
				return c.report(err, text)
			}
		}
		return nil
	case c.File != "":
		text, err := readAll(c.File)
		if err != nil {
			return err
		}
		if err := t.run(ctx, text); err != nil {
			return c.report(err, text)
		}
		return nil
	}
	return c.interact(ctx, t)
}

func (c *sqlCommand) open(ctx context.Context) (target, error) {
	if c.URL != "" {
		return openRemote(ctx, c.URL, c.Quiet)
	}
	logger := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return openLocal(ctx, c.Dir, c.Models, c.Quiet, logger)
}

func readAll(name string) (string, error) {
	var b []byte
	var err error
	if name == "-" {
		b, err = io.ReadAll(os.Stdin)
	} else {
		b, err = os.ReadFile(name)
	}
	return string(b), err
}

// interact reads statements from standard input, one at a time, until it ends; an error does not end it.
func (c *sqlCommand) interact(ctx context.Context, t target) error {
	prompt := term.IsTerminal(int(os.Stdin.Fd()))
	in := bufio.NewReader(os.Stdin)
	var statement strings.Builder
	failed := false
	for ctx.Err() == nil {
		if prompt {
			fmt.Print(map[bool]string{true: "engram=# ", false: "engram-# "}[statement.Len() == 0])
		}
		line, err := in.ReadString('\n')
		if statement.Len() == 0 && (strings.TrimSpace(line) == `\q` || strings.TrimSpace(line) == "exit") {
			break
		}
		statement.WriteString(line)
		whole := strings.HasSuffix(strings.TrimSpace(line), ";")
		if (whole || err != nil) && strings.TrimSpace(statement.String()) != "" {
			if e := t.run(ctx, statement.String()); e != nil {
				failed = true
				_ = c.report(e, statement.String())
			}
			statement.Reset()
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if failed && !prompt {
		return exitCode(1)
	}
	return nil
}

// report prints an error the way psql does, and answers the exit status.
func (c *sqlCommand) report(err error, text string) error {
	e := asSQLError(err)
	if e == nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%s:  %s (SQLSTATE %s)\n", e.Severity, e.Message, e.Code)
	if line, column, ok := position(text, e.Position); ok {
		label := fmt.Sprintf("LINE %d: ", line.number)
		fmt.Fprintf(os.Stderr, "%s%s\n%s^\n", label, line.text, strings.Repeat(" ", len(label)+column))
	}
	if e.Detail != "" {
		fmt.Fprintln(os.Stderr, "DETAIL: ", e.Detail)
	}
	if e.Hint != "" {
		fmt.Fprintln(os.Stderr, "HINT: ", e.Hint)
	}
	return exitCode(1)
}

func asSQLError(err error) *types.Error {
	var own *types.Error
	if errors.As(err, &own) {
		e := *own
		if e.Severity == "" {
			e.Severity = "ERROR"
		}
		return &e
	}
	var remote *pgconn.PgError
	if errors.As(err, &remote) {
		return &types.Error{Severity: remote.Severity, Code: remote.Code, Message: remote.Message, Detail: remote.Detail,
			Hint: remote.Hint, Position: int(remote.Position)}
	}
	return nil
}

type sourceLine struct {
	number int
	text   string
}

// position finds the line and the column (in characters) of a 1-based character position.
func position(text string, at int) (line sourceLine, column int, ok bool) {
	if at < 1 {
		return line, 0, false
	}
	line.number = 1
	for _, l := range strings.Split(text, "\n") {
		n := len([]rune(l)) + 1
		if at <= n {
			line.text = l
			return line, at - 1, true
		}
		at -= n
		line.number++
	}
	return line, 0, false
}

// local runs SQL in this process.
type local struct {
	house   *house
	session *sql.Session
	printer *printer
}

func openLocal(ctx context.Context, dir, models string, quiet bool, logger *slog.Logger) (*local, error) {
	h, err := openHouse(dir, models, &db.Options{Logger: logger})
	if err != nil {
		return nil, err
	}
	s, err := h.engine.NewSession(ctx, sql.SessionOptions{User: sql.FirstRole,
		Notice: func(e *types.Error) { fmt.Fprintf(os.Stderr, "%s:  %s\n", e.Severity, e.Message) }})
	if err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return &local{house: h, session: s, printer: &printer{session: s, out: os.Stdout, quiet: quiet}}, nil
}

func (l *local) run(ctx context.Context, text string) error {
	err := l.session.Query(ctx, text, l.printer)
	return errors.Join(err, l.printer.flush())
}

func (l *local) close() error {
	l.session.Close()
	return l.house.Close()
}

// printer is a ResultWriter that prints tables.
type printer struct {
	session *sql.Session
	out     io.Writer
	quiet   bool
	columns []sql.Column
	table   *table
}

func (p *printer) Describe(columns []sql.Column) error {
	p.columns = columns
	p.table = &table{}
	for _, c := range columns {
		p.table.names = append(p.table.names, c.Name)
		p.table.numeric = append(p.table.numeric, rightAligned(c.Type.OID))
	}
	return nil
}

func (p *printer) Row(values []any) error {
	cells := make([]cell, len(values))
	for i, v := range values {
		if v == nil {
			cells[i].null = true
			continue
		}
		text, err := types.AppendText(nil, p.columns[i].Type, v, p.session.Style())
		if err != nil {
			return err
		}
		cells[i].text = string(text)
	}
	p.table.rows = append(p.table.rows, cells)
	return nil
}

func (p *printer) Complete(tag string) error {
	if p.table != nil {
		p.table.print(p.out)
		p.table = nil
	} else if !p.quiet {
		fmt.Fprintln(p.out, tag)
	}
	return nil
}

func (p *printer) Empty() error { return nil }

func (p *printer) CopyIn(sql.CopyFormat) (io.Reader, error)  { return os.Stdin, nil }
func (p *printer) CopyOut(sql.CopyFormat) (io.Writer, error) { return p.out, nil }

// flush drops a table whose statement failed before it completed.
func (p *printer) flush() error {
	p.table = nil
	return nil
}

// rightAligned says whether psql would align a column to the right.
func rightAligned(oid uint32) bool {
	switch oid {
	case types.Int2OID, types.Int4OID, types.Int8OID, types.Float4OID, types.Float8OID, types.NumericOID, types.OidOID,
		types.XidOID, types.CidOID, types.MoneyOID:
		return true
	}
	return false
}

// remote runs SQL on a server.
type remote struct {
	conn  *pgconn.PgConn
	quiet bool
}

func openRemote(ctx context.Context, url string, quiet bool) (*remote, error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { fmt.Fprintf(os.Stderr, "%s:  %s\n", n.Severity, n.Message) }
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	return &remote{conn: conn, quiet: quiet}, nil
}

func (r *remote) run(ctx context.Context, text string) error {
	results := r.conn.Exec(ctx, text)
	for results.NextResult() {
		reader := results.ResultReader()
		t := &table{}
		for _, f := range reader.FieldDescriptions() {
			t.names = append(t.names, f.Name)
			t.numeric = append(t.numeric, rightAligned(f.DataTypeOID))
		}
		for reader.NextRow() {
			cells := make([]cell, len(t.names))
			for i, v := range reader.Values() {
				cells[i] = cell{text: string(v), null: v == nil}
			}
			t.rows = append(t.rows, cells)
		}
		tag, err := reader.Close()
		if err != nil {
			break // results.Close reports it
		}
		if len(t.names) > 0 {
			t.print(os.Stdout)
		} else if !r.quiet && tag.String() != "" {
			fmt.Println(tag)
		}
	}
	return results.Close()
}

func (r *remote) close() error { return r.conn.Close(context.Background()) }
