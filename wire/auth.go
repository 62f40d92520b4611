package wire

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"strings"

	"engram/sql"
	"engram/sql/types"

	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/xdg-go/scram"
)

const (
	mechanism     = "SCRAM-SHA-256"
	mechanismPlus = "SCRAM-SHA-256-PLUS"
	mockRounds    = 4096
)

// authenticate asks the client to prove that it is the user.
func (c *conn) authenticate(user string) error {
	if c.server.Auth == AuthTrust {
		return nil
	}
	credentials, known, err := c.credentials(user)
	if err != nil {
		return err
	}
	binding, bound := c.binding()
	offered := []string{mechanism}
	if bound {
		offered = []string{mechanismPlus, mechanism}
	}
	c.out.send(&pgproto3.AuthenticationSASL{AuthMechanisms: offered})
	var first pgproto3.SASLInitialResponse
	if err := c.receiveAuth(&first); err != nil {
		return err
	}
	if err := checkMechanism(first.AuthMechanism, first.Data, bound); err != nil {
		return err
	}
	server, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) { return credentials, nil })
	if err != nil {
		return err
	}
	talk := server.NewConversation()
	if bound {
		talk = server.NewConversationWithChannelBinding(binding)
	}
	challenge, err := talk.Step(string(first.Data))
	if err != nil {
		if strings.HasPrefix(challenge, "e=server-does-support") {
			return fatal(types.CodeInvalidAuthorizationSpec, "SCRAM channel binding negotiation error").
				WithDetail("The client supports SCRAM channel binding but thinks the server does not.  However, this server does support channel binding.")
		}
		return malformedSCRAM(err)
	}
	c.out.send(&pgproto3.AuthenticationSASLContinue{Data: []byte(challenge)})
	var second pgproto3.SASLResponse
	if err := c.receiveAuth(&second); err != nil {
		return err
	}
	final, err := talk.Step(string(second.Data))
	if err != nil || !talk.Valid() || !known {
		switch {
		case final == "e=channel-bindings-dont-match":
			return fatal(types.CodeInvalidAuthorizationSpec, "SCRAM channel binding check failed")
		case final == "":
			return malformedSCRAM(err)
		}
		return fatal(types.CodeInvalidPassword, "password authentication failed for user \"%s\"", user)
	}
	c.out.send(&pgproto3.AuthenticationSASLFinal{Data: []byte(final)})
	return nil
}

// receiveAuth sends what waits and reads one message of the password kind.
func (c *conn) receiveAuth(msg pgproto3.FrontendMessage) error {
	if err := c.out.flush(); err != nil {
		return err
	}
	kind, body, err := c.in.next()
	if err != nil {
		return c.frameError(err)
	}
	if kind != 'p' {
		return fatal(types.CodeProtocolViolation, "expected SASL response, got message type %d", kind)
	}
	if err := msg.Decode(body); err != nil {
		return malformedSCRAM(err)
	}
	return nil
}

func malformedSCRAM(cause error) error {
	e := fatal(types.CodeProtocolViolation, "malformed SCRAM message")
	e.Cause = cause
	return e
}

// checkMechanism holds the chosen mechanism against the header of the client's first message.
func checkMechanism(name string, data []byte, bound bool) error {
	withBinding := strings.HasPrefix(string(data), "p=")
	switch {
	case name == mechanismPlus && bound:
		if !withBinding {
			return malformedSCRAM(nil).(*types.Error).
				WithDetail("The client selected %s, but the SCRAM message does not include channel binding data.", mechanismPlus)
		}
	case name == mechanism:
		if withBinding {
			return malformedSCRAM(nil).(*types.Error).
				WithDetail("The client selected %s without channel binding, but the SCRAM message includes channel binding data.", mechanism)
		}
	default:
		return fatal(types.CodeProtocolViolation, "client selected an invalid SASL authentication mechanism")
	}
	return nil
}

// credentials are what the user's proof is held against. For a user that does not exist, may not log in or has no
// password they are made up, the same each time, so that messages and time tell nothing.
func (c *conn) credentials(user string) (scram.StoredCredentials, bool, error) {
	role, ok, err := c.server.Engine.Role(user)
	if err != nil {
		return scram.StoredCredentials{}, false, err
	}
	if ok && role.Login && role.Verifier != "" {
		rounds, salt, stored, server, err := sql.ParseVerifier(role.Verifier)
		if err == nil {
			return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(salt), Iters: rounds},
				StoredKey: stored, ServerKey: server}, true, nil
		}
		c.server.Logger.Error("role has an unusable password verifier", "role", user, "err", err)
	}
	mac := func(purpose string) []byte {
		h := hmac.New(sha256.New, c.server.secret[:])
		h.Write([]byte(purpose + "\x00" + user))
		return h.Sum(nil)
	}
	return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(mac("salt")[:16]), Iters: mockRounds},
		StoredKey: mac("stored"), ServerKey: mac("server")}, false, nil
}

// binding is what a client must bind its proof to (RFC 5929, tls-server-end-point); false without TLS, and for a
// certificate whose signature names no hash.
func (c *conn) binding() (scram.ChannelBinding, bool) {
	if c.secure == nil || c.certificate == nil || len(c.certificate.Certificate) == 0 {
		return scram.ChannelBinding{}, false
	}
	leaf, err := x509.ParseCertificate(c.certificate.Certificate[0])
	if err != nil {
		return scram.ChannelBinding{}, false
	}
	b, err := scram.NewTLSServerEndpointBinding(&tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}})
	return b, err == nil
}
