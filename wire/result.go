package wire

import (
	"io"

	"engram/sql"
	"engram/sql/types"

	"github.com/jackc/pgx/v5/pgproto3"
)

// result writes what one statement after the other gives. It is the sql.ResultWriter of a connection.
type result struct {
	c       *conn
	columns []sql.Column
	formats []int16 // as Bind has them: none, one for all, or one a column
	style   *types.Style
	in      *copyIn
	out     *copyOut
}

// formatOf gives the format of one column.
func formatOf(formats []int16, i int) int16 {
	switch {
	case len(formats) == 0:
		return 0
	case len(formats) == 1:
		return formats[0]
	case i < len(formats):
		return formats[i]
	}
	return 0
}

// describe sends the RowDescription of columns; nil columns are NoData.
func (c *conn) describe(columns []sql.Column, formats []int16) {
	if columns == nil {
		c.out.send(&pgproto3.NoData{})
		return
	}
	msg := pgproto3.RowDescription{Fields: make([]pgproto3.FieldDescription, len(columns))}
	for i, col := range columns {
		msg.Fields[i] = pgproto3.FieldDescription{Name: []byte(printable(col.Name)), TableOID: col.TableOID,
			TableAttributeNumber: uint16(col.AttNum), DataTypeOID: col.Type.OID, DataTypeSize: col.Type.Len(),
			TypeModifier: col.Type.Mod, Format: formatOf(formats, i)}
	}
	c.out.send(&msg)
}

func (r *result) Describe(columns []sql.Column) error {
	if columns == nil {
		columns = []sql.Column{}
	}
	r.columns, r.formats = columns, nil
	r.style = r.c.session.Style()
	r.c.describe(columns, nil)
	return r.c.out.flushFull()
}

// Row encodes a row straight into the write buffer. When a value cannot be encoded, the row is taken back.
func (r *result) Row(values []any) error {
	o := &r.c.out
	if len(values) != len(r.columns) {
		return types.Errorf(types.CodeInternalError, "row of %d values for %d columns", len(values), len(r.columns))
	}
	if r.style == nil {
		r.style = r.c.session.Style()
	}
	start := len(o.buf)
	at := o.begin('D')
	buf := append(o.buf, byte(len(values)>>8), byte(len(values)))
	for i, v := range values {
		if v == nil && r.columns[i].Type.OID != types.VoidOID {
			buf = append(buf, 0xff, 0xff, 0xff, 0xff)
			continue
		}
		field := len(buf)
		buf = append(buf, 0, 0, 0, 0)
		var err error
		if formatOf(r.formats, i) == 1 {
			buf, err = types.AppendBinary(buf, r.columns[i].Type, v)
		} else {
			buf, err = types.AppendText(buf, r.columns[i].Type, v, r.style)
		}
		if err == nil && len(buf)-start > maxMessage {
			err = types.Errorf(types.CodeProgramLimitExceeded, "a row exceeds the protocol's limit of %d bytes", maxMessage)
		}
		if err != nil {
			o.buf = o.buf[:start]
			return err
		}
		putUint32(buf[field:], uint32(len(buf)-field-4))
	}
	o.buf = buf
	if err := o.finish(at); err != nil {
		return err
	}
	return o.flushFull()
}

func (r *result) Complete(tag string) error {
	if err := r.endCopy(); err != nil {
		return err
	}
	r.columns, r.style = nil, nil
	r.c.out.send(&pgproto3.CommandComplete{CommandTag: []byte(tag)})
	return r.c.out.flushFull()
}

func (r *result) Empty() error {
	r.c.out.send(&pgproto3.EmptyQueryResponse{})
	return r.c.out.flushFull()
}

// CopyIn asks the client for its data and gives a reader of it.
func (r *result) CopyIn(f sql.CopyFormat) (io.Reader, error) {
	code, formats := copyFormats(f)
	r.c.out.send(&pgproto3.CopyInResponse{OverallFormat: code, ColumnFormatCodes: formats})
	if err := r.c.out.flush(); err != nil {
		return nil, err
	}
	r.in = &copyIn{c: r.c}
	return r.in, nil
}

// CopyOut announces data to the client and gives a writer for it.
func (r *result) CopyOut(f sql.CopyFormat) (io.Writer, error) {
	code, formats := copyFormats(f)
	r.c.out.send(&pgproto3.CopyOutResponse{OverallFormat: code, ColumnFormatCodes: formats})
	r.out = &copyOut{o: &r.c.out}
	return r.out, r.c.out.flushFull()
}

func copyFormats(f sql.CopyFormat) (byte, []uint16) {
	formats := make([]uint16, f.Columns)
	if !f.Binary {
		return 0, formats
	}
	for i := range formats {
		formats[i] = 1
	}
	return 1, formats
}

// endCopy ends a COPY that came to its end.
func (r *result) endCopy() error {
	if r.in != nil {
		in := r.in
		r.in = nil
		if err := in.drain(); err != nil {
			return err
		}
	}
	if r.out != nil {
		r.out = nil
		r.c.out.send(&pgproto3.CopyDone{})
	}
	return nil
}

// copyOut frames each write as one CopyData message.
type copyOut struct{ o *out }

func (w *copyOut) Write(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	at := w.o.begin('d')
	w.o.buf = append(w.o.buf, b...)
	if err := w.o.finish(at); err != nil {
		return 0, err
	}
	if err := w.o.flushFull(); err != nil {
		return 0, err
	}
	return len(b), nil
}

// copyIn reads the payload of CopyData messages.
type copyIn struct {
	c    *conn
	rest []byte
	err  error // how the data ended: io.EOF after CopyDone
}

func (r *copyIn) Read(b []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.fill()
	}
	n := copy(b, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// fill takes one message. Flush and Sync mean nothing inside a COPY.
func (r *copyIn) fill() {
	kind, body, err := r.c.in.next()
	switch {
	case err != nil:
		r.err = r.c.frameError(err)
		r.c.broken = r.err
	case kind == 'd':
		r.rest = body
	case kind == 'c':
		r.err = io.EOF
	case kind == 'f':
		var msg pgproto3.CopyFail
		if err := msg.Decode(body); err != nil {
			r.err = badMessage(err)
			return
		}
		r.err = types.Errorf(types.CodeQueryCanceled, "COPY from stdin failed: %s", printable(msg.Message))
	case kind == 'H' || kind == 'S':
	case kind == 'X':
		r.err = fatal(types.CodeConnectionFailure, "unexpected EOF on client connection with an open transaction")
		r.c.broken = io.EOF
	default:
		r.err = types.Errorf(types.CodeProtocolViolation, "unexpected message type 0x%02X during COPY from stdin", kind)
	}
}

// drain reads up to the end of the data that the statement did not want.
func (r *copyIn) drain() error {
	for r.err == nil {
		r.rest = nil
		r.fill()
	}
	if r.err == io.EOF {
		return nil
	}
	return r.err
}
