package postgres

import (
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// folders are where the server's programs usually are; PATH comes first.
func folders() []string {
	list, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	slices.Reverse(list)
	return append(list, "/usr/local/pgsql/bin", "/opt/homebrew/bin", "/usr/local/bin")
}

func find(program string) (string, bool) {
	if p, err := exec.LookPath(program); err == nil {
		return p, true
	}
	for _, dir := range folders() {
		if p := filepath.Join(dir, program); exec.Command(p, "--version").Run() == nil {
			return p, true
		}
	}
	return "", false
}

// Start runs a new server until the test ends and returns the folder of its socket; the user is "postgres", the port
// 5432, the encoding UTF8, the locale C, the time zone UTC. It skips the test where PostgreSQL is not installed.
func Start(t testing.TB) (socketDir string) {
	t.Helper()
	initdb, ok1 := find("initdb")
	server, ok2 := find("postgres")
	if !ok1 || !ok2 {
		t.Skip("PostgreSQL is not installed: nothing to compare with")
	}
	dir, err := os.MkdirTemp("", "engram-pg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	attr := unprivileged(t, dir)
	data := filepath.Join(dir, "data")
	run := func(name string, args ...string) *exec.Cmd {
		c := exec.Command(name, args...)
		c.Dir, c.SysProcAttr = dir, attr
		c.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
		return c
	}
	if out, err := run(initdb, "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync").CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	c := run(server, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "timezone=UTC", "-c", "port=5432")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGINT) // fast shutdown
		c.Wait()
	})
	for range 400 { // the server writes its state into this file
		if state, err := os.ReadFile(filepath.Join(data, "postmaster.pid")); err == nil && strings.Contains(string(state), "ready") {
			return dir
		}
		time.Sleep(25 * time.Millisecond)
	}
	t.Fatal("PostgreSQL did not start")
	return ""
}

// unprivileged gives dir to a user who is not root, because the server refuses to run as root.
func unprivileged(t testing.TB, dir string) *syscall.SysProcAttr {
	if os.Getuid() != 0 {
		return nil
	}
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 != nil || err2 != nil || os.Chown(dir, uid, gid) != nil {
			continue
		}
		return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	}
	t.Skip("no unprivileged user to run PostgreSQL as")
	return nil
}
