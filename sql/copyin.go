package sql

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"engram/sql/internal/plan"
	"engram/sql/types"
)

// copyDecoder reads rows in one of COPY's formats.
type copyDecoder struct {
	options  plan.CopyOptions
	relation *plan.Relation
	columns  []int // positions in relation.Columns, in the order of the fields
	style    *types.Style
	in       *bufio.Reader
	line     int64
	buf      []byte
	fields   []copyField
	ended    bool
}

// copyField is one field of a line.
type copyField struct {
	text   []byte
	null   bool
	quoted bool
}

// begin reads what stands before the rows.
func (d *copyDecoder) begin() error {
	if d.options.Format == "binary" {
		return d.beginBinary()
	}
	if d.options.Header == "" {
		return nil
	}
	err := d.read()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil || d.options.Header != "match" {
		return err
	}
	if len(d.fields) != len(d.columns) {
		return badCopy("wrong number of fields in header line: got %d, expected %d", len(d.fields), len(d.columns))
	}
	for i, f := range d.fields {
		if want := d.relation.Columns[d.columns[i]].Name; f.null || string(f.text) != want {
			return badCopy("column name mismatch in header line field %d: got %q, expected %q", i+1, f.text, want)
		}
	}
	return nil
}

// next reads one row into the columns that travel; io.EOF is the end.
func (d *copyDecoder) next(row []any) error {
	if d.options.Format == "binary" {
		return d.nextBinary(row)
	}
	if err := d.read(); err != nil {
		if errors.Is(err, io.EOF) {
			return io.EOF
		}
		return d.place(err, -1, nil)
	}
	switch {
	case len(d.fields) < len(d.columns):
		missing := d.relation.Columns[d.columns[len(d.fields)]].Name
		return d.place(badCopy("missing data for column %q", missing), -1, nil)
	case len(d.fields) > len(d.columns):
		return d.place(badCopy("extra data after last expected column"), -1, nil)
	}
	for i, f := range d.fields {
		j := d.columns[i]
		if f.null {
			row[j] = nil
			continue
		}
		v, err := types.ParseText(d.relation.Columns[j].Type, string(f.text), d.style)
		if err != nil {
			return d.place(err, i, f.text)
		}
		row[j] = v
	}
	return nil
}

// read reads the fields of the next line or record.
func (d *copyDecoder) read() error {
	if d.ended {
		return io.EOF
	}
	d.line++
	if d.options.Format == "csv" {
		return d.readCSV()
	}
	line, err := d.readLine(nil)
	if err != nil {
		return err
	}
	if string(line) == `\.` {
		d.ended = true
		return io.EOF
	}
	return d.splitText(line)
}

// readLine appends a line to b, without its end. A last line needs none.
func (d *copyDecoder) readLine(b []byte) ([]byte, error) {
	start := len(b)
	for {
		part, err := d.in.ReadSlice('\n')
		b = append(b, part...)
		if len(b) > maxCopyRecord {
			return nil, types.Errorf(types.CodeProgramLimitExceeded, "a line of the COPY data is longer than %d bytes", maxCopyRecord)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if errors.Is(err, io.EOF) && len(b) > start {
			return b, nil
		}
		if err != nil {
			return nil, err
		}
		b = b[:len(b)-1]
		if n := len(b); n > start && b[n-1] == '\r' {
			b = b[:n-1]
		}
		return b, nil
	}
}

// splitText takes a line of the text format apart.
func (d *copyDecoder) splitText(line []byte) error {
	d.fields = d.fields[:0]
	for start, i := 0, 0; ; i++ {
		if i < len(line) && line[i] == '\\' && i+1 < len(line) {
			i++
			continue
		}
		if i < len(line) && line[i] != d.options.Delimiter {
			continue
		}
		raw := line[start:min(i, len(line))]
		if string(raw) == d.options.Null {
			d.fields = append(d.fields, copyField{null: true})
		} else {
			text, err := unescapeCopy(raw)
			if err != nil {
				return err
			}
			d.fields = append(d.fields, copyField{text: text})
		}
		if i >= len(line) {
			return nil
		}
		start = i + 1
	}
}

var copyUnescapes = map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// unescapeCopy reads the backslash sequences of the text format.
func unescapeCopy(raw []byte) ([]byte, error) {
	if bytes.IndexByte(raw, '\\') < 0 {
		return raw, nil
	}
	out := make([]byte, 0, len(raw))
	for i := 0; i < len(raw); i++ {
		c := raw[i]
		if c != '\\' || i+1 == len(raw) {
			out = append(out, c)
			continue
		}
		i++
		switch c = raw[i]; {
		case copyUnescapes[c] != 0:
			out = append(out, copyUnescapes[c])
		case c >= '0' && c <= '7':
			n := 0
			for k := 0; k < 3 && i < len(raw) && raw[i] >= '0' && raw[i] <= '7'; k++ {
				n = n*8 + int(raw[i]-'0')
				i++
			}
			i--
			out = append(out, byte(n))
		case c == 'x' && i+1 < len(raw) && hexDigit(raw[i+1]) >= 0:
			n := 0
			for k := 0; k < 2 && i+1 < len(raw) && hexDigit(raw[i+1]) >= 0; k++ {
				i++
				n = n*16 + hexDigit(raw[i])
			}
			out = append(out, byte(n))
		default:
			out = append(out, c)
		}
	}
	return out, nil
}

func hexDigit(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// readCSV reads a record of the csv format, which may go over lines.
func (d *copyDecoder) readCSV() error {
	line, err := d.readLine(d.buf[:0])
	if err != nil {
		return err
	}
	d.buf = line
	if string(line) == `\.` {
		d.ended = true
		return io.EOF
	}
	d.fields = d.fields[:0]
	o := &d.options
	var field []byte
	quoted, inside := false, false
	for i := 0; ; i++ {
		if i >= len(line) {
			if !inside {
				d.addCSV(field, quoted)
				return nil
			}
			field = append(field, '\n') // the field goes on in the next line
			if line, err = d.readLine(line[:0]); err != nil {
				if errors.Is(err, io.EOF) {
					return badCopy("unterminated CSV quoted field")
				}
				return err
			}
			if len(field) > maxCopyRecord {
				return types.Errorf(types.CodeProgramLimitExceeded, "a field of the COPY data is longer than %d bytes", maxCopyRecord)
			}
			d.line++
			i = -1
			continue
		}
		c := line[i]
		switch {
		case inside && c == o.Escape && i+1 < len(line) && (line[i+1] == o.Quote || line[i+1] == o.Escape):
			i++
			field = append(field, line[i])
		case inside && c == o.Quote:
			inside = false
		case inside:
			field = append(field, c)
		case c == o.Quote:
			quoted, inside = true, true
		case c == o.Delimiter:
			d.addCSV(field, quoted)
			field, quoted = nil, false
		default:
			field = append(field, c)
		}
	}
}

func (d *copyDecoder) addCSV(field []byte, quoted bool) {
	o := &d.options
	i := len(d.fields)
	null := string(field) == o.Null
	switch {
	case quoted:
		null = null && slices.Contains(o.ForceNull, i)
	default:
		null = null && !slices.Contains(o.ForceNotNull, i)
	}
	d.fields = append(d.fields, copyField{text: field, null: null, quoted: quoted})
}

func (d *copyDecoder) beginBinary() error {
	head := make([]byte, len(copySignature)+8)
	if _, err := io.ReadFull(d.in, head); err != nil || string(head[:len(copySignature)]) != copySignature {
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return err
		}
		return badCopy("COPY file signature not recognized")
	}
	flags := binary.BigEndian.Uint32(head[len(copySignature):])
	if flags&0xffff0000 != 0 {
		return badCopy("unrecognized critical flags in COPY file header")
	}
	more := binary.BigEndian.Uint32(head[len(copySignature)+4:])
	if more > 1<<20 {
		return badCopy("invalid COPY file header (wrong length)")
	}
	if _, err := d.in.Discard(int(more)); err != nil {
		return badCopy("invalid COPY file header (wrong length)")
	}
	return nil
}

func (d *copyDecoder) nextBinary(row []any) error {
	d.line++
	var two [2]byte
	if _, err := io.ReadFull(d.in, two[:]); err != nil {
		if errors.Is(err, io.EOF) { // the end mark may be missing, as before version 3 of the protocol
			return io.EOF
		}
		return d.torn(err)
	}
	n := int16(binary.BigEndian.Uint16(two[:]))
	if n == -1 {
		return io.EOF
	}
	if int(n) != len(d.columns) {
		return d.place(badCopy("row field count is %d, expected %d", n, len(d.columns)), -1, nil)
	}
	for i, j := range d.columns {
		b, null, err := d.binaryField()
		if err != nil {
			return d.place(err, i, nil)
		}
		if null {
			row[j] = nil
			continue
		}
		if row[j], err = types.ParseBinary(d.relation.Columns[j].Type, b); err != nil {
			return d.place(err, i, nil)
		}
	}
	return nil
}

func (d *copyDecoder) binaryField() (b []byte, null bool, err error) {
	var four [4]byte
	if _, err := io.ReadFull(d.in, four[:]); err != nil {
		return nil, false, d.torn(err)
	}
	n := int32(binary.BigEndian.Uint32(four[:]))
	if n == -1 {
		return nil, true, nil
	}
	if n < 0 || n > maxCopyRecord {
		return nil, false, badCopy("invalid field size")
	}
	if d.buf, err = readExactly(d.in, d.buf[:0], int(n)); err != nil {
		return nil, false, d.torn(err)
	}
	return d.buf, false, nil
}

// readExactly reads n bytes, and takes memory only as they arrive.
func readExactly(r io.Reader, b []byte, n int) ([]byte, error) {
	for len(b) < n {
		at := len(b)
		b = slices.Grow(b, min(n-at, 1<<16))
		b = b[:at+min(n-at, cap(b)-at)]
		if _, err := io.ReadFull(r, b[at:]); err != nil {
			return b[:at], err
		}
	}
	return b, nil
}

func (d *copyDecoder) torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return badCopy("unexpected EOF in COPY data")
	}
	return err
}
