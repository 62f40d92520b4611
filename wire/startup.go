package wire

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"

	"engram/sql/types"

	"github.com/jackc/pgx/v5/pgproto3"
)

// Codes that stand where a startup message has its version.
const (
	codeCancel = 1234<<16 | 5678
	codeSSL    = 1234<<16 | 5679
	codeGSSENC = 1234<<16 | 5680
)

const (
	maxStartupBytes = 10000
	newestMinor     = 2
	protocol30      = 3 << 16
)

// errHangUp ends a connection without a word: the client asked for no answer or does not speak the protocol.
var errHangUp = errors.New("connection ended at startup")

// startup is what a client says of itself.
type startup struct {
	version    uint32
	parameters map[string]string
	unknown    []string // protocol options (_pq_.*) that this server does not know
	cancel     bool     // a cancel request, not a session
	pid        int32
	key        []byte
}

// readPacket reads a packet of the startup phase, which has no type byte: its code and what follows.
func readPacket(r *bufio.Reader) (code uint32, body []byte, err error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:4]); err != nil {
		return 0, nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n < 8 || n > maxStartupBytes {
		return 0, nil, errHangUp // at once: a client that does not speak the protocol may send no more
	}
	if _, err := io.ReadFull(r, head[4:]); err != nil {
		return 0, nil, cutOff(err)
	}
	body = make([]byte, n-8)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, cutOff(err)
	}
	return binary.BigEndian.Uint32(head[4:]), body, nil
}

// parseStartup reads the packet of a session or of a cancel request.
func parseStartup(code uint32, body []byte) (*startup, error) {
	if code == codeCancel {
		if len(body) < 5 || len(body) > 4+256 {
			return nil, errHangUp
		}
		return &startup{cancel: true, pid: int32(binary.BigEndian.Uint32(body)), key: bytes.Clone(body[4:])}, nil
	}
	if code>>16 != 3 {
		return nil, fatal(types.CodeFeatureNotSupported, "unsupported frontend protocol %d.%d: server supports 3.0 to 3.%d",
			code>>16, code&0xffff, newestMinor)
	}
	st := &startup{version: code, parameters: map[string]string{}}
	for {
		name, rest, ok := bytes.Cut(body, []byte{0})
		if !ok {
			return nil, badLayout()
		}
		if len(name) == 0 {
			if len(rest) != 0 {
				return nil, badLayout()
			}
			return st, st.check()
		}
		value, after, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			return nil, badLayout()
		}
		if strings.HasPrefix(string(name), "_pq_.") {
			st.unknown = append(st.unknown, string(name))
		} else {
			st.parameters[string(name)] = string(value)
		}
		body = after
	}
}

func badLayout() error {
	return fatal(types.CodeProtocolViolation, "invalid startup packet layout: expected terminator as last byte")
}

func (st *startup) check() error {
	for name, value := range st.parameters {
		if err := errors.Join(types.CheckUTF8(name), types.CheckUTF8(value)); err != nil {
			return fatal(types.CodeCharacterNotInRepertoire, "startup parameters must be valid UTF-8")
		}
	}
	if st.parameters["user"] == "" {
		return fatal(types.CodeInvalidAuthorizationSpec, "no PostgreSQL user name specified in startup packet")
	}
	switch strings.ToLower(st.parameters["replication"]) {
	case "", "false", "off", "no", "0":
	default:
		return fatal(types.CodeFeatureNotSupported, "replication connections are not supported")
	}
	return nil
}

// settings are the run-time settings among the parameters; those of "options" stand behind the others.
func (st *startup) settings() (map[string]string, error) {
	set := map[string]string{}
	if err := commandLine(st.parameters["options"], set); err != nil {
		return nil, err
	}
	for name, value := range st.parameters {
		switch name {
		case "user", "database", "options", "replication":
		default:
			set[name] = value
		}
	}
	return set, nil
}

// commandLine reads "-c name=value --name=value". A backslash keeps the character behind it.
func commandLine(line string, set map[string]string) error {
	args := splitArguments(line)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "-c" && i+1 < len(args):
			i++
			arg = args[i]
		case strings.HasPrefix(arg, "--"):
			arg = strings.ReplaceAll(arg[2:], "-", "_")
			if name, _, ok := strings.Cut(args[i][2:], "="); ok { // only the name's hyphens stand for underscores
				arg = strings.ReplaceAll(name, "-", "_") + args[i][2+len(name):]
			}
		case strings.HasPrefix(arg, "-c"):
			arg = arg[2:]
		default:
			return fatal(types.CodeSyntaxError, "invalid command-line argument for server process: %s", arg)
		}
		name, value, ok := strings.Cut(arg, "=")
		if !ok {
			return fatal(types.CodeSyntaxError, "-c %s requires a value", name)
		}
		set[name] = value
	}
	return nil
}

func splitArguments(line string) []string {
	var args []string
	var word []byte
	open := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && i+1 < len(line):
			i++
			word, open = append(word, line[i]), true
		case strings.IndexByte(" \t\n\v\f\r", c) >= 0:
			if open {
				args, word, open = append(args, string(word)), nil, false
			}
		default:
			word, open = append(word, c), true
		}
	}
	if open {
		args = append(args, string(word))
	}
	return args
}

// greet goes through the startup phase up to the packet that says who asks: TLS, encryption that is refused, cancel
// requests.
func (c *conn) greet() (*startup, error) {
	if err := c.directTLS(); err != nil {
		return nil, err
	}
	askedSSL, askedGSS := c.secure != nil, false
	for {
		code, body, err := readPacket(c.in.r)
		if err != nil {
			return nil, err
		}
		switch {
		case code == codeSSL && !askedSSL && len(body) == 0:
			askedSSL = true
			if err := c.answerSSL(); err != nil {
				return nil, err
			}
		case code == codeGSSENC && !askedGSS && len(body) == 0:
			askedGSS = true
			if err := c.answer('N'); err != nil {
				return nil, err
			}
		default:
			return parseStartup(code, body)
		}
	}
}

func (c *conn) answer(b byte) error {
	c.out.buf = append(c.out.buf, b)
	return c.out.flush()
}

func (c *conn) answerSSL() error {
	if _, unix := c.raw.(*net.UnixConn); c.server.TLS == nil || unix {
		return c.answer('N')
	}
	if c.in.r.Buffered() > 0 {
		return fatal(types.CodeProtocolViolation, "received unencrypted data after SSL request").
			WithDetail("This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.")
	}
	if err := c.answer('S'); err != nil {
		return err
	}
	return c.handshake(c.raw)
}

// directTLS begins TLS at once when the client's first byte is that of a TLS handshake; such a client must say by ALPN
// that it wants this protocol.
func (c *conn) directTLS() error {
	first, err := c.in.r.Peek(1)
	if err != nil {
		return err
	}
	if first[0] != 0x16 {
		return nil
	}
	if c.server.TLS == nil {
		return errHangUp
	}
	if err := c.handshake(&peeked{c.raw, c.in.r}); err != nil {
		return err
	}
	if c.secure.ConnectionState().NegotiatedProtocol != alpnProtocol {
		return fatal(types.CodeProtocolViolation, "received direct SSL connection request without ALPN protocol negotiation extension")
	}
	return nil
}

// peeked is a connection whose first bytes are in a reader already.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }

const alpnProtocol = "postgresql"

// handshake puts TLS over a connection and remembers the certificate that was shown, which channel binding needs.
func (c *conn) handshake(under net.Conn) error {
	cfg := c.server.TLS.Clone()
	cfg.NextProtos = []string{alpnProtocol}
	cfg.SessionTicketsDisabled = true // a resumed session would show no certificate
	cfg.GetConfigForClient = nil
	base := c.server.TLS
	cfg.Certificates = nil
	cfg.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := chooseCertificate(base, hello)
		c.certificate = cert
		return cert, err
	}
	tc := tls.Server(under, cfg)
	if err := tc.HandshakeContext(c.ctx); err != nil {
		c.server.Logger.Debug("TLS handshake failed", "remote", c.remote, "err", err)
		return errHangUp
	}
	c.secure = tc
	c.use(tc)
	return nil
}

// chooseCertificate chooses as crypto/tls does.
func chooseCertificate(cfg *tls.Config, hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cfg.GetConfigForClient != nil {
		if own, err := cfg.GetConfigForClient(hello); err != nil {
			return nil, err
		} else if own != nil {
			cfg = own
		}
	}
	if cfg.GetCertificate != nil {
		if cert, err := cfg.GetCertificate(hello); cert != nil || err != nil {
			return cert, err
		}
	}
	for i := range cfg.Certificates {
		if hello.SupportsCertificate(&cfg.Certificates[i]) == nil {
			return &cfg.Certificates[i], nil
		}
	}
	if len(cfg.Certificates) == 0 {
		return nil, errors.New("wire: TLS without a certificate")
	}
	return &cfg.Certificates[0], nil
}

// negotiate tells a client that asked for more than this server knows what it will get.
func (c *conn) negotiate(st *startup) {
	version := min(st.version, protocol30|newestMinor)
	if version != st.version || len(st.unknown) > 0 {
		c.out.send(&pgproto3.NegotiateProtocolVersion{NewestMinorProtocol: version, UnrecognizedOptions: st.unknown})
	}
	c.version = version
}
