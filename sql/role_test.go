package sql

import (
	"context"
	"strings"
	"testing"

	"github.com/xdg-go/scram"
)

// TestVerifierSpeaksSCRAM runs the exchange of RFC 5802 with an independent implementation against the stored verifier.
func TestVerifierSpeaksSCRAM(t *testing.T) {
	v, err := NewVerifier("pencil")
	if err != nil {
		t.Fatal(err)
	}
	iterations, salt, stored, server, err := ParseVerifier(v)
	if err != nil {
		t.Fatal(err)
	}
	srv, err := scram.SHA256.NewServer(func(string) (scram.StoredCredentials, error) {
		return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(salt), Iters: iterations},
			StoredKey: stored, ServerKey: server}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"pencil": true, "Pencil": false, "": false} {
		client, err := scram.SHA256.NewClient("user", password, "")
		if err != nil {
			t.Fatal(err)
		}
		c, s := client.NewConversation(), srv.NewConversation()
		first, _ := c.Step("")
		reply, err := s.Step(first)
		if err != nil {
			t.Fatal(err)
		}
		final, err := c.Step(reply)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Step(final)
		if ok := err == nil && s.Valid(); ok != want {
			t.Errorf("password %q: accepted %v, want %v", password, ok, want)
		}
	}
}

func TestParseVerifierRefuses(t *testing.T) {
	good, err := verifierOf("x", []byte("0123456789abcdef"), 4096)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, _, _, err := ParseVerifier(good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "secret", "md5abc", "SCRAM-SHA-256$", "SCRAM-SHA-256$0:eA==$eA==:eA==",
		strings.Replace(good, "4096", "x", 1), good[:len(good)-8], strings.Replace(good, ":", ";", 1)} {
		if _, _, _, _, err := ParseVerifier(bad); err == nil {
			t.Errorf("%q was taken for a verifier", bad)
		}
	}
}

func TestRolePasswords(t *testing.T) {
	e := testEngine(t)
	ctx := context.Background()
	if r, ok, err := e.Role(FirstRole); err != nil || !ok || !r.Superuser || !r.Login || r.Verifier != "" {
		t.Fatalf("first role: %+v %v %v", r, ok, err)
	}
	if err := e.SetPassword(ctx, FirstRole, "s3cret"); err != nil {
		t.Fatal(err)
	}
	r, _, err := e.Role(FirstRole)
	if err != nil || !strings.HasPrefix(r.Verifier, "SCRAM-SHA-256$4096:") || strings.Contains(r.Verifier, "s3cret") {
		t.Fatalf("verifier %q, %v", r.Verifier, err)
	}
	if !r.Superuser || !r.Login {
		t.Errorf("the password changed the role: %+v", r)
	}
	if _, ok, _ := e.Role("nobody"); ok {
		t.Error("a role that nobody made is there")
	}
	if _, err := e.NewSession(ctx, SessionOptions{User: "nobody"}); asError(err).Code != "28000" {
		t.Errorf("unknown role: %v", err)
	}
}
