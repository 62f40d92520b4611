package wire

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// maxUnproven bounds a message of a client that has not proved who it is.
const maxUnproven = 64 << 10

// errTooLong is a message longer than the limit. The stream cannot be used after it.
type errTooLong struct{ length, limit int }

func (e *errTooLong) Error() string {
	return fmt.Sprintf("message of %d bytes exceeds the limit of %d", e.length, e.limit)
}

// errBadLength is a length that counts less than itself.
var errBadLength = errors.New("invalid message length")

// frames cuts a client's stream into messages.
type frames struct {
	r     *bufio.Reader
	limit int
	body  []byte // reused
}

// keepBody is how much of a large message's memory is kept for the next one.
const keepBody = 64 << 10

// next reads one message. body is valid until the next call. An end of the stream between messages is io.EOF, within
// one io.ErrUnexpectedEOF.
func (f *frames) next() (kind byte, body []byte, err error) {
	var head [5]byte
	if head[0], err = f.r.ReadByte(); err != nil {
		return 0, nil, err
	}
	if _, err = io.ReadFull(f.r, head[1:]); err != nil {
		return 0, nil, cutOff(err)
	}
	n := int(int32(binary.BigEndian.Uint32(head[1:]))) - 4
	if n < 0 {
		return head[0], nil, errBadLength
	}
	if n > f.limit {
		return head[0], nil, &errTooLong{n, f.limit}
	}
	body, err = f.read(n)
	return head[0], body, err
}

// read fills the body. Memory grows with what has come, not with what was promised.
func (f *frames) read(n int) ([]byte, error) {
	if cap(f.body) > keepBody && n <= keepBody {
		f.body = nil
	}
	f.body = f.body[:0]
	for len(f.body) < n {
		have := len(f.body)
		step := min(n-have, max(have, keepBody))
		if cap(f.body) < have+step {
			grown := make([]byte, have, have+step)
			copy(grown, f.body)
			f.body = grown
		}
		f.body = f.body[:have+step]
		if _, err := io.ReadFull(f.r, f.body[have:]); err != nil {
			return nil, cutOff(err)
		}
	}
	return f.body, nil
}

// cutOff names an end of the stream that came too early.
func cutOff(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
