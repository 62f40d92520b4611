package sql

import (
	"context"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/stringprep"

	"engram/db"
)

// scramIterations is how often a password is hashed, PostgreSQL's own number.
const scramIterations = 4096

// roleKey is the setting of the database that holds a role.
func roleKey(name string) string { return "role/" + name }

// storedRole is how a role is written in the database.
type storedRole struct {
	OID       uint32 `json:"oid"`
	Verifier  string `json:"verifier,omitempty"`
	Superuser bool   `json:"superuser,omitempty"`
	Login     bool   `json:"login,omitempty"`
}

func decodeRole(name string, b []byte) (*Role, uint32, error) {
	var s storedRole
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, 0, fmt.Errorf("role %q: %w", name, err)
	}
	return &Role{Name: name, Verifier: s.Verifier, Superuser: s.Superuser, Login: s.Login}, s.OID, nil
}

// NewVerifier makes what the server keeps of a password: RFC 5802 with SHA-256 in the spelling of PostgreSQL's
// pg_authid.rolpassword. The password itself cannot be had from it.
func NewVerifier(password string) (string, error) {
	salt := make([]byte, 16)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	return verifierOf(password, salt, scramIterations)
}

func verifierOf(password string, salt []byte, iterations int) (string, error) {
	// A password that SASLprep refuses is used as it is, as PostgreSQL does.
	if p, err := stringprep.SASLprep.Prepare(password); err == nil {
		password = p
	}
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", err
	}
	mac := func(text string) []byte {
		h := hmac.New(sha256.New, salted)
		h.Write([]byte(text))
		return h.Sum(nil)
	}
	stored := sha256.Sum256(mac("Client Key"))
	b64 := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, b64(salt), b64(stored[:]), b64(mac("Server Key"))), nil
}

var errVerifier = errors.New("sql: not a SCRAM-SHA-256 verifier")

// ParseVerifier takes a verifier apart.
func ParseVerifier(v string) (iterations int, salt, storedKey, serverKey []byte, err error) {
	rest, ok := strings.CutPrefix(v, "SCRAM-SHA-256$")
	if !ok {
		return 0, nil, nil, nil, errVerifier
	}
	head, keys, ok1 := strings.Cut(rest, "$")
	iter, salt64, ok2 := strings.Cut(head, ":")
	stored64, server64, ok3 := strings.Cut(keys, ":")
	if !ok1 || !ok2 || !ok3 {
		return 0, nil, nil, nil, errVerifier
	}
	if iterations, err = strconv.Atoi(iter); err != nil || iterations < 1 {
		return 0, nil, nil, nil, errVerifier
	}
	for _, p := range []struct {
		dst  *[]byte
		text string
		size int
	}{{&salt, salt64, 0}, {&storedKey, stored64, sha256.Size}, {&serverKey, server64, sha256.Size}} {
		*p.dst, err = base64.StdEncoding.DecodeString(p.text)
		if err != nil || len(*p.dst) == 0 || p.size > 0 && len(*p.dst) != p.size {
			return 0, nil, nil, nil, errVerifier
		}
	}
	return iterations, salt, storedKey, serverKey, nil
}

// verifier gives what to store for the text of a PASSWORD clause: a verifier is taken as it is.
func verifier(password string) (string, error) {
	if password == "" {
		return "", nil
	}
	if _, _, _, _, err := ParseVerifier(password); err == nil {
		return password, nil
	}
	return NewVerifier(password)
}

// FirstRole is the superuser that every database has.
const FirstRole = "engram"

// Role finds a role by name; false means that there is none. The role engram is always there, without a password until
// it is given one.
func (e *Engine) Role(name string) (*Role, bool, error) {
	snap := e.db.Snapshot()
	defer snap.Close()
	return roleIn(snap, name)
}

func roleIn(r db.Reader, name string) (*Role, bool, error) {
	b, ok, err := r.Setting(roleKey(name))
	if err != nil {
		return nil, false, err
	}
	if !ok {
		if name == FirstRole {
			return &Role{Name: name, Superuser: true, Login: true}, true, nil
		}
		return nil, false, nil
	}
	role, _, err := decodeRole(name, b)
	return role, err == nil, err
}

// SetPassword gives a role a password; the role is made, allowed to log in, when it does not exist. Only the verifier is
// stored. An empty password takes the password away.
func (e *Engine) SetPassword(ctx context.Context, name, password string) error {
	b := e.db.NewBatch(nil)
	defer b.Close()
	role, ok, err := roleIn(b, name)
	if err != nil {
		return asError(err)
	}
	if !ok {
		role = &Role{Name: name, Login: true}
	}
	if role.Verifier, err = verifier(password); err != nil {
		return asError(err)
	}
	if err := putRole(b, role); err != nil {
		return asError(err)
	}
	return wrapped(b.Commit(ctx))
}

// putRole writes a role; a new one gets the next OID.
func putRole(b *db.Batch, role *Role) error {
	s := storedRole{Verifier: role.Verifier, Superuser: role.Superuser, Login: role.Login}
	if old, ok, err := b.Setting(roleKey(role.Name)); err != nil {
		return err
	} else if ok {
		if _, s.OID, err = decodeRole(role.Name, old); err != nil {
			return err
		}
	}
	if s.OID == 0 {
		oid, err := nextRoleOID(b, role.Name)
		if err != nil {
			return err
		}
		s.OID = oid
	}
	text, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return b.SetSetting(roleKey(role.Name), text)
}

// firstRoleOID is the OID of the role engram, PostgreSQL's number of the bootstrap superuser.
const firstRoleOID = 10

func nextRoleOID(b *db.Batch, name string) (uint32, error) {
	if name == FirstRole {
		return firstRoleOID, nil
	}
	all, err := rolesIn(b)
	if err != nil {
		return 0, err
	}
	next := uint32(16400)
	for _, r := range all {
		next = max(next, r.oid+1)
	}
	return next, nil
}

// numberedRole is a role with its OID.
type numberedRole struct {
	*Role
	oid uint32
}

// rolesIn lists every role, the first one included.
func rolesIn(r db.Reader) ([]numberedRole, error) {
	keys, err := r.Settings("role/")
	if err != nil {
		return nil, err
	}
	var out []numberedRole
	seenFirst := false
	for _, key := range keys {
		name := strings.TrimPrefix(key, "role/")
		b, ok, err := r.Setting(key)
		if err != nil || !ok {
			return nil, err
		}
		role, oid, err := decodeRole(name, b)
		if err != nil {
			return nil, err
		}
		seenFirst = seenFirst || name == FirstRole
		out = append(out, numberedRole{role, oid})
	}
	if !seenFirst {
		out = append([]numberedRole{{&Role{Name: FirstRole, Superuser: true, Login: true}, firstRoleOID}}, out...)
	}
	return out, nil
}
