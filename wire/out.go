package wire

import (
	"net"
	"sync"
	"time"

	"engram/sql/types"

	"github.com/jackc/pgx/v5/pgproto3"
)

// flushSize is how much waits in the write buffer before it is sent without being asked for.
const flushSize = 64 << 10

// out is the write buffer of a connection. One goroutine at a time uses it: the session's, or, while that one waits
// for the client, the one that holds the connection's idle lock.
type out struct {
	conn    net.Conn
	timeout time.Duration
	buf     []byte
	err     error // of the first write that failed; nothing is written after it
}

func (o *out) send(msg pgproto3.BackendMessage) {
	if o.err != nil {
		return
	}
	buf, err := msg.Encode(o.buf)
	if err != nil { // the message is longer than its length field can say
		o.err = &errOutput{err}
		return
	}
	o.buf = buf
}

// flush sends what waits.
func (o *out) flush() error {
	if o.err != nil {
		return o.err
	}
	for rest := o.buf; len(rest) > 0; {
		o.conn.SetWriteDeadline(time.Now().Add(o.timeout))
		part := rest[:min(len(rest), flushSize)]
		if _, err := o.conn.Write(part); err != nil {
			o.err = &errOutput{err}
			return o.err
		}
		rest = rest[len(part):]
	}
	if cap(o.buf) > 4*flushSize {
		o.buf = nil
	}
	o.buf = o.buf[:0]
	return nil
}

// flushFull sends what waits when it is much.
func (o *out) flushFull() error {
	if len(o.buf) < flushSize {
		return o.err
	}
	return o.flush()
}

// begin starts a message by hand and gives the place of its length.
func (o *out) begin(kind byte) int {
	o.buf = append(o.buf, kind, 0, 0, 0, 0)
	return len(o.buf) - 4
}

// finish fills in the length of a message that begin started; on error the message is gone.
func (o *out) finish(at int) error {
	n := len(o.buf) - at
	if n > maxMessage {
		o.buf = o.buf[:at-1]
		return types.Errorf(types.CodeProgramLimitExceeded, "out of memory").
			WithDetail("A message of %d bytes exceeds the protocol's limit of %d bytes.", n, maxMessage)
	}
	putUint32(o.buf[at:], uint32(n))
	return nil
}

// maxMessage is what PostgreSQL's buffers hold at most.
const maxMessage = 1<<30 - 1

func putUint32(b []byte, n uint32) {
	_ = b[3]
	b[0], b[1], b[2], b[3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
}

// idle says whether a session's goroutine waits for its client; who holds the lock while it does may write.
type idle struct {
	sync.Mutex
	started   bool // there is a session
	waiting   bool
	dismissed bool // the server goes: the session ends as soon as it is idle
}
