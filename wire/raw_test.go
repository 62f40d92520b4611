package wire

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// start serves an engine on a loopback port until the test ends and checks then that nothing is left running.
func start(t testing.TB, s *Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		s.Shutdown(ctx)
		select {
		case err := <-done:
			if !errors.Is(err, ErrServerClosed) {
				t.Errorf("Serve: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("Serve did not return after Shutdown")
		}
		if n := s.Connections(); n != 0 {
			t.Errorf("%d connections are left after Shutdown", n)
		}
	})
	return l.Addr().String()
}

// client speaks the protocol byte by byte.
type client struct {
	t    testing.TB
	conn net.Conn
	r    *bufio.Reader
	pid  uint32
	key  []byte
}

func dial(t testing.TB, addr string) *client {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { nc.Close() })
	return &client{t: t, conn: nc, r: bufio.NewReader(nc)}
}

// connect opens a session by trust.
func connect(t testing.TB, addr string) *client {
	t.Helper()
	c := dial(t, addr)
	c.write(startupPacket(3<<16, "user", "ann"))
	c.untilReady()
	return c
}

func (c *client) write(b []byte) {
	c.t.Helper()
	if _, err := c.conn.Write(b); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

func (c *client) send(msgs ...pgproto3.FrontendMessage) {
	c.t.Helper()
	var buf []byte
	var err error
	for _, m := range msgs {
		if buf, err = m.Encode(buf); err != nil {
			c.t.Fatal(err)
		}
	}
	c.write(buf)
}

// next reads one message as a line: "D 1 2", "C SELECT 2", "Z I", "E 42601 text".
func (c *client) next() (string, error) {
	var head [5]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return "", err
	}
	body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
	if _, err := io.ReadFull(c.r, body); err != nil {
		return "", err
	}
	return c.line(head[0], body)
}

func (c *client) line(kind byte, body []byte) (string, error) {
	switch kind {
	case 'E', 'N':
		var m pgproto3.ErrorResponse
		if err := m.Decode(body); err != nil {
			return "", err
		}
		return fmt.Sprintf("%c %s %s %s", kind, m.Severity, m.Code, m.Message), nil
	case 'K':
		c.pid, c.key = binary.BigEndian.Uint32(body), body[4:]
		return fmt.Sprintf("K %d", len(c.key)), nil
	case 'D':
		var m pgproto3.DataRow
		if err := m.Decode(body); err != nil {
			return "", err
		}
		line := "D"
		for _, v := range m.Values {
			if v == nil {
				line += " NULL"
			} else {
				line += fmt.Sprintf(" %q", v)
			}
		}
		return line, nil
	case 'C', 'Z':
		return string(kind) + " " + strings.TrimRight(string(body), "\x00"), nil
	case 'S':
		return "S " + strings.ReplaceAll(strings.TrimRight(string(body), "\x00"), "\x00", "="), nil
	case 'd':
		return fmt.Sprintf("d %q", body), nil
	case 'T':
		var m pgproto3.RowDescription
		if err := m.Decode(body); err != nil {
			return "", err
		}
		line := "T"
		for _, f := range m.Fields {
			line += fmt.Sprintf(" %s:%d:%d", f.Name, f.DataTypeOID, f.Format)
		}
		return line, nil
	case 't', 'v', 'A', 'R', 'G', 'H':
		return fmt.Sprintf("%c %x", kind, body), nil
	}
	return string(kind), nil
}

// until reads up to and with the first line that begins with prefix.
func (c *client) until(prefix string) []string {
	c.t.Helper()
	var lines []string
	for {
		line, err := c.next()
		if err != nil {
			c.t.Fatalf("%v after %q", err, lines)
		}
		lines = append(lines, line)
		if strings.HasPrefix(line, prefix) {
			return lines
		}
	}
}

func (c *client) untilReady() []string { c.t.Helper(); return c.until("Z") }

// expect reads exactly these lines.
func (c *client) expect(want ...string) {
	c.t.Helper()
	for i, w := range want {
		line, err := c.next()
		if err != nil {
			c.t.Fatalf("message %d: %v, want %q", i, err, w)
		}
		if line != w {
			c.t.Fatalf("message %d is %q, want %q", i, line, w)
		}
	}
}

// expectEnd reads to the end of the connection; before it only the given lines may come.
func (c *client) expectEnd(want ...string) {
	c.t.Helper()
	c.expect(want...)
	if line, err := c.next(); err == nil {
		c.t.Fatalf("the connection goes on with %q", line)
	} else if errors.Is(err, context.DeadlineExceeded) || strings.Contains(err.Error(), "timeout") {
		c.t.Fatal("the server does not close the connection")
	}
}

func startupPacket(version uint32, pairs ...string) []byte {
	var body []byte
	body = binary.BigEndian.AppendUint32(body, version)
	for _, s := range pairs {
		body = append(append(body, s...), 0)
	}
	body = append(body, 0)
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(body)+4)), body...)
}

func shortPacket(code uint32) []byte {
	return binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, 8), code)
}

// certificate makes a certificate for 127.0.0.1 and a pool that trusts it.
func certificate(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "engram"}, NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}

// pemOf writes a configuration's certificate as a file of trusted ones has it.
func pemOf(cfg *tls.Config) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cfg.Certificates[0].Certificate[0]})
}
