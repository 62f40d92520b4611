package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// FuzzStartupPacket checks that any bytes give a startup, or an error, and never more memory than a packet may have.
func FuzzStartupPacket(f *testing.F) {
	f.Add(startupPacket(3<<16, "user", "ann", "options", "-c a=b --x-y=z"))
	f.Add(startupPacket(3<<16|9999, "user", "ann", "_pq_.x", "y", "replication", "off"))
	f.Add(shortPacket(codeSSL))
	f.Add(append(shortPacket(codeCancel), 1, 2, 3, 4, 5, 6, 7, 8))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		code, body, err := readPacket(bufio.NewReader(bytes.NewReader(b)))
		if err != nil {
			return
		}
		if len(body) > maxStartupBytes {
			t.Fatal("too long a packet was read")
		}
		st, err := parseStartup(code, body)
		if err != nil {
			return
		}
		if st.cancel {
			if len(st.key) == 0 {
				t.Fatal("a cancel request without a key")
			}
			return
		}
		if st.parameters["user"] == "" {
			t.Fatal("a session without a user")
		}
		st.settings()
	})
}

// FuzzSession throws a client's whole stream at a server with the fake engine. Nothing may panic or hang, and what the
// server says must be well-formed to its last byte.
func FuzzSession(f *testing.F) {
	hello := startupPacket(3<<16, "user", "ann")
	add := func(msgs ...pgproto3.FrontendMessage) {
		b := bytes.Clone(hello)
		for _, m := range msgs {
			b, _ = m.Encode(b)
		}
		f.Add(b)
	}
	add(query("rows 3;begin"), query("error 22012 x"), query("rollback"))
	add(&pgproto3.Parse{Name: "s", Query: "rows 5"}, &pgproto3.Describe{ObjectType: 'S', Name: "s"}, &pgproto3.Bind{PreparedStatement: "s", ResultFormatCodes: []int16{1}},
		&pgproto3.Execute{MaxRows: 2}, &pgproto3.Execute{}, &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{})
	add(&pgproto3.Parse{Query: "echo 1009"}, &pgproto3.Bind{Parameters: [][]byte{[]byte("{a,b}")}}, &pgproto3.Execute{}, &pgproto3.Sync{})
	add(&pgproto3.Parse{Query: "echo 1700"}, &pgproto3.Bind{Parameters: [][]byte{{0, 1, 0, 0, 0, 0, 0, 0, 0, 5}}, ParameterFormatCodes: []int16{1}, ResultFormatCodes: []int16{1}}, &pgproto3.Execute{}, &pgproto3.Flush{}, &pgproto3.Sync{})
	add(query("copyin"), &pgproto3.CopyData{Data: []byte("x")}, &pgproto3.CopyDone{}, query("copyout 2"), &pgproto3.FunctionCall{Function: 3}, &pgproto3.Terminate{})
	add(query("copyin"), &pgproto3.CopyFail{Message: "x"}, query("none"), query("notice x"))
	f.Add(append(bytes.Clone(hello), 'Q', 0x7f, 0xff, 0xff, 0xff))
	f.Fuzz(func(t *testing.T, b []byte) {
		if bytes.Contains(b, []byte("panic")) || bytes.Contains(b, []byte("sleep")) || bytes.Contains(b, []byte("big")) || hugeCount(b) {
			return // what these do is known, and takes its time
		}
		stream := &scripted{in: bytes.NewReader(b)}
		s := &Server{Engine: newFake(), Auth: AuthTrust, MaxMessageBytes: 1 << 16}
		s.setup()
		c := newConn(s, stream)
		s.add(c)
		c.serve(context.Background())
		s.remove(c)
		checkStream(t, b, stream.out.Bytes())
	})
}

// scripted is a connection whose client has said everything beforehand.
type scripted struct {
	in  *bytes.Reader
	out bytes.Buffer
}

func (s *scripted) Read(b []byte) (int, error)       { return s.in.Read(b) }
func (s *scripted) Write(b []byte) (int, error)      { return s.out.Write(b) }
func (s *scripted) Close() error                     { return nil }
func (s *scripted) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *scripted) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *scripted) SetDeadline(time.Time) error      { return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }

// hugeCount reports whether a number of many digits occurs, which would be a count of rows.
func hugeCount(b []byte) bool {
	run := 0
	for _, c := range b {
		if c >= '0' && c <= '9' {
			if run++; run > 4 {
				return true
			}
		} else {
			run = 0
		}
	}
	return false
}

// checkStream walks what the server said: complete messages of kinds that a server sends.
func checkStream(t *testing.T, asked, said []byte) {
	for len(said) > 0 && said[0] == 'N' && (len(said) == 1 || said[1] != 0) {
		said = said[1:] // the answer to a request for encryption
	}
	for len(said) > 0 {
		n := 0
		if len(said) >= 5 {
			n = int(binary.BigEndian.Uint32(said[1:])) + 1
		}
		if n < 5 || n > len(said) {
			t.Fatalf("a broken message %q answers %q", said, asked)
		}
		if bytes.IndexByte([]byte("RSKZTDCEINnt123scGHdAv"), said[0]) < 0 {
			t.Fatalf("a message of kind %q answers %q", said[0], asked)
		}
		said = said[n:]
	}
}
