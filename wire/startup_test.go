package wire

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
)

func TestStartupPackets(t *testing.T) {
	addr := start(t, &Server{Engine: newFake(), Auth: AuthTrust})
	session := func(c *client) []string { t.Helper(); return c.untilReady() }
	t.Run("parameters", func(t *testing.T) {
		c := dial(t, addr)
		c.write(startupPacket(3<<16, "user", "ann", "database", "d", "options", "-c a.b=1 --c-d=2", "application_name", "x"))
		want := []string{"R 00000000", "S server_version=15.0", "S client_encoding=UTF8", "S integer_datetimes=on", "S standard_conforming_strings=on", "K 4", "Z I"}
		if got := session(c); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q", got)
		}
		if int32(c.pid) <= 0 {
			t.Fatal("a PID that is not positive", c.pid)
		}
	})
	t.Run("SSL and GSS refused", func(t *testing.T) {
		c := dial(t, addr)
		for _, code := range []uint32{codeGSSENC, codeSSL} {
			c.write(shortPacket(code))
			if b, err := c.r.ReadByte(); b != 'N' || err != nil {
				t.Fatalf("%q %v", b, err)
			}
		}
		c.write(startupPacket(3<<16, "user", "ann"))
		session(c)
	})
	t.Run("SSL twice", func(t *testing.T) {
		c := dial(t, addr)
		c.write(shortPacket(codeSSL))
		c.r.ReadByte()
		c.write(shortPacket(codeSSL))
		c.expectEnd("E FATAL 0A000 unsupported frontend protocol 1234.5679: server supports 3.0 to 3.2")
	})
	for _, test := range []struct {
		name    string
		version uint32
		pairs   []string
		first   string
		key     int
	}{
		{"3.2", 3<<16 | 2, nil, "R 00000000", 32},
		{"3.9999", 3<<16 | 9999, nil, "v 0003000200000000", 32},
		{"options", 3 << 16, []string{"_pq_.x", "1"}, "v 00030000000000015f70715f2e7800", 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := dial(t, addr)
			c.write(startupPacket(test.version, append([]string{"user", "ann"}, test.pairs...)...))
			if lines := session(c); lines[0] != test.first || len(c.key) != test.key {
				t.Fatalf("%q, key of %d bytes", lines, len(c.key))
			}
		})
	}
	for name, test := range map[string]struct {
		packet []byte
		want   []string
	}{
		"version 2":      {startupPacket(2<<16, "user", "ann"), []string{"E FATAL 0A000 unsupported frontend protocol 2.0: server supports 3.0 to 3.2"}},
		"no user":        {startupPacket(3<<16, "database", "d"), []string{"E FATAL 28000 no PostgreSQL user name specified in startup packet"}},
		"replication":    {startupPacket(3<<16, "user", "ann", "replication", "database"), []string{"E FATAL 0A000 replication connections are not supported"}},
		"no terminator":  {[]byte{0, 0, 0, 13, 0, 3, 0, 0, 'u', 's', 'e', 'r', 'x'}, []string{"E FATAL 08P01 invalid startup packet layout: expected terminator as last byte"}},
		"name only":      {[]byte{0, 0, 0, 13, 0, 3, 0, 0, 'u', 's', 'e', 'r', 0}, []string{"E FATAL 08P01 invalid startup packet layout: expected terminator as last byte"}},
		"bytes behind":   {append([]byte{0, 0, 0, 18, 0, 3, 0, 0}, "user\x00a\x00\x00xy"...), []string{"E FATAL 08P01 invalid startup packet layout: expected terminator as last byte"}},
		"not UTF-8":      {startupPacket(3<<16, "user", "a\xff"), []string{"E FATAL 22021 startup parameters must be valid UTF-8"}},
		"unknown role":   {startupPacket(3<<16, "user", "nobody"), []string{"R 00000000", `E FATAL 28000 role "nobody" does not exist`}},
		"bad options":    {startupPacket(3<<16, "user", "ann", "options", "-x"), []string{"R 00000000", "E FATAL 42601 invalid command-line argument for server process: -x"}},
		"too long":       {[]byte{0, 0, 0x27, 0x11, 0, 3, 0, 0}, nil},
		"too short":      {[]byte{0, 0, 0, 7, 0, 3, 0, 0}, nil},
		"HTTP":           {[]byte("GET / HTTP/1.1\r\n\r\n"), nil},
		"TLS without it": {[]byte{0x16, 3, 1, 0, 5, 1, 0, 0, 1, 0}, nil},
		"short cancel":   {[]byte{0, 0, 0, 12, 0x04, 0xd2, 0x16, 0x2e, 0, 0, 0, 1}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, addr)
			c.write(test.packet)
			c.expectEnd(test.want...)
		})
	}
	for _, part := range [][]byte{nil, {0}, {0, 0, 0, 20, 0, 3}, startupPacket(3<<16, "user", "ann")[:12]} {
		c := dial(t, addr) // half a packet, and gone
		c.write(part)
		c.conn.Close()
	}
	connect(t, addr) // the server lives
}

func TestAuthTimeout(t *testing.T) {
	addr := start(t, &Server{Engine: newFake(), Auth: AuthTrust, AuthTimeout: 50 * time.Millisecond})
	c := dial(t, addr)
	c.write([]byte{0, 0})
	c.expectEnd()
	c = connect(t, addr)
	time.Sleep(100 * time.Millisecond) // the limit ends with the startup
	c.send(query("rows 0"))
	c.expect("T n:20:0", "C SELECT 0", "Z I")
}

func TestSCRAM(t *testing.T) {
	serverTLS, pool := certificate(t)
	engine := newFake().withRole("ann", "sécret").withRole("bob", "other")
	engine.roles["nologin"] = engine.roles["ann"]
	addr := start(t, &Server{Engine: engine, TLS: serverTLS})
	connect := func(user, password, mode string) error {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		cfg, err := pgconn.ParseConfig("postgres://" + addr + "/d?sslmode=disable")
		if err != nil {
			t.Fatal(err)
		}
		cfg.User, cfg.Password = user, password
		if mode != "plain" {
			cfg.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
			cfg.ChannelBinding = mode
		}
		if mode == "direct" {
			cfg.ChannelBinding, cfg.SSLNegotiation = "require", "direct"
			cfg.TLSConfig.NextProtos = []string{"postgresql"}
		}
		c, err := pgconn.ConnectConfig(ctx, cfg)
		if err != nil {
			return err
		}
		defer c.Close(ctx)
		return c.Exec(ctx, "rows 3").Close()
	}
	for _, mode := range []string{"plain", "disable", "prefer", "require", "direct"} {
		if err := connect("ann", "sécret", mode); err != nil {
			t.Errorf("%s: %v", mode, err)
		}
		for _, bad := range [][2]string{{"ann", "wrong"}, {"eve", "sécret"}, {"bob", "sécret"}} {
			var pgErr *pgconn.PgError
			err := connect(bad[0], bad[1], mode)
			if !errors.As(err, &pgErr) || pgErr.Code != "28P01" || pgErr.Message != `password authentication failed for user "`+bad[0]+`"` {
				t.Errorf("%s %v: %v", mode, bad, err)
			}
		}
	}
}

// TestUnknownUsersLookAlike compares the whole conversation of a user who exists with that of one who does not.
func TestUnknownUsersLookAlike(t *testing.T) {
	addr := start(t, &Server{Engine: newFake().withRole("ann", "secret")})
	talk := func(user string) (challenge string, last string) {
		c := dial(t, addr)
		c.write(startupPacket(3<<16, "user", user))
		c.expect("R 0000000a534352414d2d5348412d3235360000")
		c.send(&pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: []byte("n,,n=,r=abcdefgh")})
		line, err := c.next()
		if err != nil {
			t.Fatal(err)
		}
		challenge = line
		c.send(&pgproto3.SASLResponse{Data: []byte("c=biws,r=nonsense,p=AAAA")})
		last = c.until("E")[0]
		c.expectEnd()
		return challenge, strings.ReplaceAll(last, user, "USER")
	}
	known, lastKnown := talk("ann")
	unknown, lastUnknown := talk("eve")
	if len(known) != len(unknown) || lastKnown != lastUnknown {
		t.Errorf("%q %q\n%q %q", known, lastKnown, unknown, lastUnknown)
	}
	salt := func(challenge string) string {
		raw, err := hex.DecodeString(strings.TrimPrefix(challenge, "R "))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(string(raw), ",s=")[1]
	}
	again, _ := talk("eve")
	if salt(again) != salt(unknown) {
		t.Error("the salt of an unknown user changes, that of a known one does not")
	}
}

func TestSCRAMRefusals(t *testing.T) {
	serverTLS, pool := certificate(t)
	addr := start(t, &Server{Engine: newFake().withRole("ann", "secret"), TLS: serverTLS})
	open := func(secure bool) *client {
		c := dial(t, addr)
		if secure {
			c.write(shortPacket(codeSSL))
			if b, _ := c.r.ReadByte(); b != 'S' {
				t.Fatalf("%q", b)
			}
			tc := tls.Client(c.conn, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
			c.conn = tc
			c.r.Reset(tc)
		}
		c.write(startupPacket(3<<16, "user", "ann"))
		c.until("R")
		return c
	}
	for name, test := range map[string]struct {
		secure bool
		msg    pgproto3.FrontendMessage
		want   string
	}{
		"mechanism":       {false, &pgproto3.SASLInitialResponse{AuthMechanism: "PLAIN"}, "E FATAL 08P01 client selected an invalid SASL authentication mechanism"},
		"plus, no TLS":    {false, &pgproto3.SASLInitialResponse{AuthMechanism: mechanismPlus, Data: []byte("p=tls-server-end-point,,n=,r=a")}, "E FATAL 08P01 client selected an invalid SASL authentication mechanism"},
		"garbage":         {false, &pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: []byte("garbage")}, "E FATAL 08P01 malformed SCRAM message"},
		"empty":           {false, &pgproto3.SASLInitialResponse{AuthMechanism: mechanism}, "E FATAL 08P01 malformed SCRAM message"},
		"downgrade":       {true, &pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: []byte("y,,n=,r=abc")}, "E FATAL 28000 SCRAM channel binding negotiation error"},
		"plus, unbound":   {true, &pgproto3.SASLInitialResponse{AuthMechanism: mechanismPlus, Data: []byte("n,,n=,r=abc")}, "E FATAL 08P01 malformed SCRAM message"},
		"bound, not plus": {true, &pgproto3.SASLInitialResponse{AuthMechanism: mechanism, Data: []byte("p=tls-server-end-point,,n=,r=abc")}, "E FATAL 08P01 malformed SCRAM message"},
		"query":           {false, query("rows 1"), "E FATAL 08P01 expected SASL response, got message type 81"},
		"too long":        {false, &pgproto3.SASLResponse{Data: make([]byte, maxUnproven+1)}, "E FATAL 08P01 invalid message length"},
	} {
		t.Run(name, func(t *testing.T) {
			c := open(test.secure)
			c.send(test.msg)
			c.expectEnd(test.want)
		})
	}
	c := open(false) // a promise of 2 GB before the password
	c.write([]byte{'p', 0x7f, 0xff, 0xff, 0xff})
	c.expectEnd("E FATAL 08P01 invalid message length")
}

func TestTLS(t *testing.T) {
	serverTLS, pool := certificate(t)
	addr := start(t, &Server{Engine: newFake(), Auth: AuthTrust, TLS: serverTLS, RequireTLS: true})
	c := dial(t, addr)
	c.write(startupPacket(3<<16, "user", "ann"))
	c.expectEnd("E FATAL 28000 this server requires SSL encryption")
	// plain text that waits behind the request might be an attacker's
	c = dial(t, addr)
	c.write(append(shortPacket(codeSSL), startupPacket(3<<16, "user", "ann")...))
	c.expectEnd("E FATAL 08P01 received unencrypted data after SSL request")
	// TLS at once, but without saying for which protocol
	nc, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c = &client{t: t, conn: nc, r: dial(t, addr).r}
	c.r.Reset(nc)
	c.expectEnd("E FATAL 08P01 received direct SSL connection request without ALPN protocol negotiation extension")
	if _, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", NextProtos: []string{"http/1.1"}}); err == nil {
		t.Error("another protocol was agreed on")
	}
	// cancel requests come over TLS too
	nc, err = tls.Dial("tcp", addr, &tls.Config{RootCAs: pool, ServerName: "127.0.0.1", NextProtos: []string{alpnProtocol}})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c.conn = nc
	c.r.Reset(nc)
	body := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, codeCancel), 1)
	c.write(append([]byte{0, 0, 0, 16}, append(body, 1, 2, 3, 4)...))
	c.expectEnd()
}

func TestTrustIsLocal(t *testing.T) {
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Skip(err)
	}
	if err := (&Server{Engine: newFake(), Auth: AuthTrust}).Serve(context.Background(), l); !errors.Is(err, ErrTrustNotLoopback) {
		t.Fatal(err)
	}
	if err := (&Server{}).Serve(context.Background(), l); !errors.Is(err, ErrNoEngine) {
		t.Fatal(err)
	}
	// a Unix socket is local, and refuses TLS
	dir, err := os.MkdirTemp("", "s")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, ".s.PGSQL.5432")
	l, err = net.Listen("unix", path)
	if err != nil {
		t.Skip(err)
	}
	serverTLS, _ := certificate(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		done <- (&Server{Engine: newFake(), Auth: AuthTrust, TLS: serverTLS, RequireTLS: true}).Serve(ctx, l)
	}()
	nc, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	c := &client{t: t, conn: nc, r: dial(t, start(t, &Server{Engine: newFake(), Auth: AuthTrust})).r}
	c.r.Reset(nc)
	c.write(shortPacket(codeSSL))
	if b, err := c.r.ReadByte(); b != 'N' {
		t.Fatal(b, err)
	}
	c.write(startupPacket(3<<16, "user", "ann"))
	c.untilReady()
	cancel() // the context ends everything
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	c.expectEnd("E FATAL 57P01 terminating connection due to administrator command")
}

func TestCommandLineOptions(t *testing.T) {
	for line, want := range map[string]map[string]string{
		"":                               {},
		"-c a=b":                         {"a": "b"},
		"-ca=b  --c-d=e-f":               {"a": "b", "c_d": "e-f"},
		`-c search_path=a\ b -c x=\\y`:   {"search_path": "a b", "x": `\y`},
		"-c statement_timeout=5s\t-c e=": {"statement_timeout": "5s", "e": ""},
	} {
		got := map[string]string{}
		if err := commandLine(line, got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %v %v", line, got, err)
		}
	}
	for _, line := range []string{"-c", "-c a", "a=b", "--x"} {
		if err := commandLine(line, map[string]string{}); err == nil {
			t.Errorf("%q is taken", line)
		}
	}
}
