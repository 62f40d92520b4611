package sql

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"engram/sql/types"
)

// rowSource gives rows one after another; io.EOF is the end. A row is valid until the next call.
type rowSource interface {
	Next() ([]any, error)
	Close() error
}

// listed is a source of rows that are there already.
type listed struct{ rows [][]any }

func (l *listed) Next() ([]any, error) {
	if len(l.rows) == 0 {
		return nil, io.EOF
	}
	row := l.rows[0]
	l.rows = l.rows[1:]
	return row, nil
}

func (l *listed) Close() error { l.rows = nil; return nil }

// spoolMemory is how many bytes of rows a spool keeps in memory before it writes the rest to a file.
const spoolMemory = 16 << 20

// spool keeps rows to be read again, by number. The rows that memory has no room for are in a file without a name.
type spool struct {
	columns []Column
	dir     string
	rows    [][]any // the first ones
	bytes   int
	file    *os.File
	writer  *bufio.Writer
	offsets []int64 // where the rows behind rows start in the file
	size    int64
	buf     []byte
}

func newSpool(columns []Column, dir string) *spool { return &spool{columns: columns, dir: dir} }

// Len is the number of rows.
func (s *spool) Len() int64 { return int64(len(s.rows) + len(s.offsets)) }

// append keeps a row.
func (s *spool) append(row []any) error {
	if s.file == nil && s.bytes < spoolMemory {
		kept := make([]any, len(row))
		copy(kept, row)
		s.rows = append(s.rows, kept)
		s.bytes += 16
		for _, v := range row {
			s.bytes += sizeOf(v)
		}
		return nil
	}
	if s.file == nil {
		f, err := os.CreateTemp(s.dir, "rows-*")
		if err != nil {
			return err
		}
		os.Remove(f.Name()) // where the system lets a nameless file live, nothing is left behind by a crash
		s.file, s.writer = f, bufio.NewWriterSize(f, 1<<16)
	}
	return s.write(row)
}

func (s *spool) write(row []any) (err error) {
	b := s.buf[:0]
	for i, v := range row {
		if v == nil {
			b = binary.LittleEndian.AppendUint32(b, ^uint32(0))
			continue
		}
		at := len(b)
		b = append(b, 0, 0, 0, 0)
		t := s.columns[i].Type
		if text, ok := v.(string); ok { // whatever the type, a text is kept as it is
			b = append(append(b, 't'), text...)
		} else {
			b = append(b, 'b')
			if b, err = types.AppendBinary(b, t, v); err != nil {
				return err
			}
		}
		binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	}
	s.buf = b
	s.offsets = append(s.offsets, s.size)
	s.size += int64(len(b))
	_, err = s.writer.Write(b)
	return err
}

// at gives the i-th row.
func (s *spool) at(i int64) ([]any, error) {
	if i < int64(len(s.rows)) {
		return s.rows[i], nil
	}
	i -= int64(len(s.rows))
	if err := s.writer.Flush(); err != nil {
		return nil, err
	}
	from, to := s.offsets[i], s.size
	if i+1 < int64(len(s.offsets)) {
		to = s.offsets[i+1]
	}
	if int64(cap(s.buf)) < to-from {
		s.buf = make([]byte, to-from)
	}
	b := s.buf[:to-from]
	if _, err := s.file.ReadAt(b, from); err != nil {
		return nil, err
	}
	return s.decode(b)
}

func (s *spool) decode(b []byte) ([]any, error) {
	row := make([]any, len(s.columns))
	for i := range row {
		if len(b) < 4 {
			return nil, errSpool
		}
		n := binary.LittleEndian.Uint32(b)
		b = b[4:]
		if n == ^uint32(0) {
			continue
		}
		if n < 1 || int(n) > len(b) {
			return nil, errSpool
		}
		v := b[1:n]
		if b[0] == 't' {
			row[i] = string(v)
		} else {
			var err error
			if row[i], err = types.ParseBinary(s.columns[i].Type, v); err != nil {
				return nil, err
			}
		}
		b = b[n:]
	}
	return row, nil
}

var errSpool = errors.New("sql: a spooled row is damaged")

func (s *spool) close() error {
	s.rows = nil
	if s.file != nil {
		f := s.file
		s.file = nil
		err := f.Close()
		if rm := os.Remove(f.Name()); rm != nil && !errors.Is(rm, os.ErrNotExist) {
			return rm
		}
		return err
	}
	return nil
}

// sizeOf estimates the memory of a value.
func sizeOf(v any) int {
	switch x := v.(type) {
	case string:
		return 16 + len(x)
	case []byte:
		return 24 + len(x)
	case []float32:
		return 24 + 4*len(x)
	case []any:
		n := 24
		for _, e := range x {
			n += sizeOf(e)
		}
		return n
	}
	return 24
}

// tape is a source whose rows can be read again: what was read is kept.
type tape struct {
	source rowSource // nil when it has been read to its end
	spool  *spool
	next   int64
}

func newTape(source rowSource, columns []Column, dir string) *tape {
	return &tape{source: source, spool: newSpool(columns, dir)}
}

// Next implements rowSource.
func (t *tape) Next() ([]any, error) {
	row, err := t.at(t.next)
	if err == nil {
		t.next++
	}
	return row, err
}

// at gives the i-th row, reading on as far as it takes; io.EOF when there are fewer.
func (t *tape) at(i int64) ([]any, error) {
	for t.spool.Len() <= i {
		if err := t.pull(); err != nil {
			return nil, err
		}
	}
	return t.spool.at(i)
}

func (t *tape) pull() error {
	if t.source == nil {
		return io.EOF
	}
	row, err := t.source.Next()
	if err != nil {
		if errors.Is(err, io.EOF) {
			t.source.Close()
			t.source = nil
		}
		return err
	}
	return t.spool.append(row)
}

// drain reads the source to its end, so that it is needed no more.
func (t *tape) drain() error {
	for t.source != nil {
		if err := t.pull(); err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return nil
}

// Close implements rowSource.
func (t *tape) Close() error {
	if t.source != nil {
		t.source.Close()
		t.source = nil
	}
	return t.spool.close()
}

// spoolRows reads a source aside. What it gives back holds no other resources.
func spoolRows(rows rowSource, columns []Column, dir string) (rowSource, error) {
	switch r := rows.(type) {
	case *listed:
		return r, nil
	case *tape:
		return r, r.drain()
	}
	t := newTape(rows, columns, dir)
	if err := t.drain(); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}
