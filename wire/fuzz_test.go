package wire

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"io"
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
		server, user := net.Pipe()
		s := &Server{Engine: newFake(), Auth: AuthTrust, MaxMessageBytes: 1 << 16}
		s.setup()
		c := newConn(s, server)
		s.add(c)
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer s.remove(c)
			c.serve(context.Background())
		}()
		go func() {
			user.Write(b)
			if bytes.HasPrefix(b, hello) {
				user.Write([]byte{'X', 0, 0, 0, 4})
			}
			time.Sleep(time.Millisecond)
			user.SetWriteDeadline(time.Now())
			user.SetReadDeadline(time.Now().Add(20 * time.Millisecond)) // whoever waits for more waits in vain
		}()
		said, _ := io.ReadAll(user)
		user.Close()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			t.Fatal("the session hangs")
		}
		checkStream(t, b, said)
	})
}

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

// checkStream walks what the server said: complete messages, but for the last one when the connection broke off.
func checkStream(t *testing.T, asked, said []byte) {
	for len(said) > 0 && said[0] == 'N' && (len(said) == 1 || said[1] != 0) {
		said = said[1:] // the answer to a request for encryption
	}
	for len(said) >= 5 {
		n := int(binary.BigEndian.Uint32(said[1:])) + 1
		if n < 5 {
			t.Fatalf("a message of length %d answers %q", n-1, asked)
		}
		if n > len(said) {
			return
		}
		if bytes.IndexByte([]byte("RSKZTDCEINnt123scGHdAv"), said[0]) < 0 {
			t.Fatalf("a message of kind %q answers %q", said[0], asked)
		}
		said = said[n:]
	}
}
