package sql

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"

	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// copySignature begins a COPY in the binary format.
const copySignature = "PGCOPY\n\xff\r\n\x00"

// maxCopyRecord bounds one line or field of a COPY FROM, so that a missing end cannot ask for all memory.
const maxCopyRecord = 1 << 28

// copy runs COPY.
func (s *Session) copy(x *execution, u *plan.Copy, out *outcome, w ResultWriter) error {
	switch {
	case u.Program:
		return types.Errorf(types.CodeInsufficientPrivilege, "permission denied to COPY to or from an external program").
			WithHint("Use COPY FROM STDIN or COPY TO STDOUT.")
	case u.File != "":
		return types.Errorf(types.CodeInsufficientPrivilege, "permission denied to COPY to or from a file of the server").
			WithHint("Use COPY FROM STDIN or COPY TO STDOUT; psql's \\copy does so for a file of the client.")
	case w == nil:
		return unsupported("COPY cannot run inside of another statement")
	}
	switch u.Options.Encoding {
	case "", "UTF8", "utf8", "UTF-8", "utf-8", "SQL_ASCII":
	default:
		return unsupported("COPY in encoding %q is not supported", u.Options.Encoding)
	}
	s.txn.ran++
	var n int64
	var err error
	if u.From {
		n, err = s.copyFrom(x, u, w)
	} else {
		n, err = s.copyTo(x, u, w)
	}
	out.tag = "COPY " + strconv.FormatInt(n, 10)
	return err
}

// copyTo sends the rows of a query.
func (s *Session) copyTo(x *execution, u *plan.Copy, w ResultWriter) (n int64, err error) {
	a := &analyzed{plan: u.Query, params: x.analyzed.params}
	if err := s.resolveTypes(x.ctx, a); err != nil {
		return 0, err
	}
	inner, err := s.run(&execution{session: s, analyzed: a, params: x.params, text: x.text, ctx: x.ctx}, nil)
	if err != nil {
		return 0, err
	}
	defer inner.close()
	if inner.rows == nil {
		return 0, types.Errorf(types.CodeFeatureNotSupported, "COPY query must have a RETURNING clause")
	}
	dst, err := w.CopyOut(CopyFormat{Columns: len(a.columns), Binary: u.Options.Format == "binary"})
	if err != nil {
		return 0, err
	}
	e := &copyEncoder{options: u.Options, columns: a.columns, style: s.Style()}
	if _, err := dst.Write(e.begin()); err != nil {
		return 0, err
	}
	for {
		row, err := inner.rows.Next()
		if isEOF(err) {
			_, err := dst.Write(e.end())
			return n, err
		}
		if err != nil {
			return n, err
		}
		b, err := e.row(row)
		if err != nil {
			return n, err
		}
		if _, err := dst.Write(b); err != nil {
			return n, err
		}
		n++
	}
}

// copyEncoder writes rows in one of COPY's formats.
type copyEncoder struct {
	options plan.CopyOptions
	columns []Column
	style   *types.Style
	buf     []byte
	field   []byte
}

// begin is what stands before the rows.
func (e *copyEncoder) begin() []byte {
	b := e.buf[:0]
	switch {
	case e.options.Format == "binary":
		b = append(b, copySignature...)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	case e.options.Header != "":
		for i, c := range e.columns {
			if i > 0 {
				b = append(b, e.options.Delimiter)
			}
			if e.options.Format == "csv" {
				b = e.appendCSV(b, []byte(c.Name), false)
			} else {
				b = appendCopyText(b, []byte(c.Name), e.options.Delimiter)
			}
		}
		b = append(b, '\n')
	}
	e.buf = b
	return b
}

func (e *copyEncoder) end() []byte {
	if e.options.Format == "binary" {
		return []byte{0xff, 0xff}
	}
	return nil
}

func (e *copyEncoder) row(row []any) (_ []byte, err error) {
	if e.options.Format == "binary" {
		return e.binaryRow(row)
	}
	b := e.buf[:0]
	for i, v := range row {
		if i > 0 {
			b = append(b, e.options.Delimiter)
		}
		if v == nil {
			b = append(b, e.options.Null...)
			continue
		}
		if e.field, err = types.AppendText(e.field[:0], e.columns[i].Type, v, e.style); err != nil {
			return nil, err
		}
		if e.options.Format == "csv" {
			b = e.appendCSV(b, e.field, e.forced(i))
		} else {
			b = appendCopyText(b, e.field, e.options.Delimiter)
		}
	}
	b = append(b, '\n')
	e.buf = b
	return b, nil
}

func (e *copyEncoder) binaryRow(row []any) (_ []byte, err error) {
	b := binary.BigEndian.AppendUint16(e.buf[:0], uint16(len(row)))
	for i, v := range row {
		if v == nil {
			b = binary.BigEndian.AppendUint32(b, ^uint32(0))
			continue
		}
		at := len(b)
		b = append(b, 0, 0, 0, 0)
		if b, err = types.AppendBinary(b, e.columns[i].Type, v); err != nil {
			return nil, err
		}
		binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	}
	e.buf = b
	return b, nil
}

func (e *copyEncoder) forced(i int) bool {
	if e.options.ForceAll {
		return true
	}
	for _, j := range e.options.ForceQuote {
		if j == i {
			return true
		}
	}
	return false
}

// appendCSV writes a field, quoted where it would be read otherwise.
func (e *copyEncoder) appendCSV(b, field []byte, force bool) []byte {
	o := &e.options
	quote := force || string(field) == o.Null || len(e.columns) == 1 && string(field) == `\.`
	for _, c := range field {
		if c == o.Delimiter || c == o.Quote || c == '\n' || c == '\r' {
			quote = true
			break
		}
	}
	if !quote {
		return append(b, field...)
	}
	b = append(b, o.Quote)
	for _, c := range field {
		if c == o.Quote || c == o.Escape {
			b = append(b, o.Escape)
		}
		b = append(b, c)
	}
	return append(b, o.Quote)
}

var copyEscapes = map[byte]byte{'\b': 'b', '\f': 'f', '\n': 'n', '\r': 'r', '\t': 't', '\v': 'v', '\\': '\\'}

// appendCopyText writes a field of the text format.
func appendCopyText(b, field []byte, delimiter byte) []byte {
	for _, c := range field {
		if letter, ok := copyEscapes[c]; ok {
			b = append(b, '\\', letter)
			continue
		}
		if c == delimiter {
			b = append(b, '\\')
		}
		b = append(b, c)
	}
	return b
}

// copyFrom stores the rows that the client sends.
func (s *Session) copyFrom(x *execution, u *plan.Copy, w ResultWriter) (n int64, err error) {
	t, ok := tableOf(u.Relation)
	if !ok {
		return 0, types.Errorf(types.CodeWrongObjectType, "cannot copy to %q: it is not a table", u.Relation.Name)
	}
	if err := s.mayWrite("COPY FROM"); err != nil {
		return 0, err
	}
	if err := s.spoolPortals(); err != nil {
		return 0, err
	}
	src, err := w.CopyIn(CopyFormat{Columns: len(u.Columns), Binary: u.Options.Format == "binary"})
	if err != nil {
		return 0, err
	}
	exprs, err := s.exprsOf(t)
	if err != nil {
		return 0, err
	}
	c := &change{s: s, x: x, table: t, exprs: exprs, env: s.env(x),
		plan: &plan.DMLPlan{Op: plan.Insert, Relation: u.Relation, Targets: u.Columns}}
	d := &copyDecoder{options: u.Options, relation: u.Relation, columns: u.Columns, style: s.Style(),
		in: bufio.NewReaderSize(src, 1<<16)}
	mark := s.batch().Mark()
	if err := c.copyRows(d, u.Where); err != nil {
		s.batch().RollbackTo(mark)
		return 0, err
	}
	_, err = io.Copy(io.Discard, src) // what stands behind the end mark
	return c.count, err
}

func (c *change) copyRows(d *copyDecoder, where plan.Expr) error {
	if err := d.begin(); err != nil {
		return d.place(err, -1, nil)
	}
	for ended := false; !ended; {
		var chunk []db.Row
		for len(chunk) < insertChunk {
			row, err := c.newRow()
			if err != nil {
				return err
			}
			err = d.next(row)
			if errors.Is(err, io.EOF) {
				ended = true
				break
			}
			if err != nil {
				return err
			}
			if where != nil {
				c.env.Row = nullDefaults(row)
				if ok, err := holds(where, c.env); err != nil {
					return err
				} else if !ok {
					continue
				}
			}
			chunk = append(chunk, row)
		}
		if err := c.insertRows(chunk); err != nil {
			return err
		}
		if err := c.x.ctx.Err(); err != nil {
			return err
		}
	}
	return nil
}

// place says where in the COPY an error lies.
func (d *copyDecoder) place(err error, field int, text []byte) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	own := *e
	own.Where = fmt.Sprintf("COPY %s, line %d", d.relation.Name, d.line)
	if field >= 0 {
		own.Where += ", column " + d.relation.Columns[d.columns[field]].Name
		if text != nil {
			own.Where += fmt.Sprintf(": \"%s\"", clip(text))
		}
	}
	return &own
}

func clip(b []byte) string {
	const most = 100
	if len(b) > most {
		return string(b[:most]) + "..."
	}
	return string(b)
}

func badCopy(format string, args ...any) *Error {
	return types.Errorf(types.CodeBadCopyFileFormat, format, args...)
}
