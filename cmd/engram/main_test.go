package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"engram/quant/model"
)

// The test binary is engram itself when this variable is set, so that tests drive real processes.
const asEngram = "ENGRAM_TEST_AS_ENGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asEngram) != "" {
		os.Exit(run(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// engram prepares a process of engram with these arguments.
func engram(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asEngram+"=1", "ENGRAM_PASSWORD=secret of the tests")
	return cmd
}

// output runs engram to its end and returns both streams together.
func output(t *testing.T, args ...string) (string, error) {
	t.Helper()
	b, err := engram(t, args...).CombinedOutput()
	return string(b), err
}

// models finds the text model, or skips the test.
func models(t *testing.T) string {
	t.Helper()
	for _, dir := range []string{os.Getenv("ENGRAM_MODELS"), filepath.Join("..", "..", "models")} {
		if _, err := os.Stat(filepath.Join(dir, model.DefaultName, model.ManifestFile)); dir != "" && err == nil {
			abs, err := filepath.Abs(dir)
			if err != nil {
				t.Fatal(err)
			}
			return abs
		}
	}
	t.Skip("no text model: run `make models`")
	return ""
}

type testServer struct {
	cmd *exec.Cmd
	url string
	log *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// serve starts a server and waits until it is ready.
func serve(t *testing.T, dir string, args ...string) *testServer {
	t.Helper()
	s := &testServer{log: &lockedBuffer{}}
	s.cmd = engram(t, append([]string{"serve", "--dir", dir, "--listen", "127.0.0.1:0"}, args...)...)
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.cmd.Process.Kill(); s.cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "ready: "); ok {
			s.url = strings.Replace(url, "@", ":secret%20of%20the%20tests@", 1)
			return s
		}
	}
	s.cmd.Wait()
	t.Fatalf("the server ended before it was ready:\n%s", s.log)
	return nil
}

// terminate stops the server as an operator does, and fails the test if it does not end cleanly.
func (s *testServer) terminate(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("server: %v\n%s", err, s.log)
	}
}

func (s *testServer) connect(t *testing.T) *pgx.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := pgx.Connect(ctx, s.url)
	if err != nil {
		t.Fatalf("connect: %v\n%s", err, s.log)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	return c
}

func TestVersion(t *testing.T) {
	out, err := output(t, "version")
	if err != nil || !strings.HasPrefix(out, "engram ") {
		t.Errorf("%q, %v", out, err)
	}
}

func TestSQLOnDirectory(t *testing.T) {
	dir := t.TempDir()
	f := func(want string, args ...string) {
		t.Helper()
		out, err := output(t, append([]string{"sql", "--dir", dir}, args...)...)
		if err != nil || out != want {
			t.Errorf("engram sql %q: %v\n%swant\n%s", args, err, out, want)
		}
	}
	f("CREATE TABLE\nINSERT 0 2\n", "-c", "create table items (id bigserial primary key, embedding vector(3), name text); insert into items (embedding, name) values ('[1,2,3]', 'a'), ('[4,5,6]', null)")
	f(" id | embedding | name \n----+-----------+------\n  1 | [1,2,3]   | a\n  2 | [4,5,6]   | \n(2 rows)\n\n",
		"-c", "select * from items order by embedding <-> '[3,1,2]'")
	file := filepath.Join(t.TempDir(), "q.sql")
	if err := os.WriteFile(file, []byte("select count(*)\nfrom items;\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f(" count \n-------\n     2\n(1 row)\n\n", "-f", file)

	out, err := output(t, "sql", "--dir", dir, "-c", "select nope from items")
	if err == nil || !strings.Contains(out, `ERROR:  column "nope" does not exist (SQLSTATE 42703)`) || !strings.Contains(out, "LINE 1: select nope from items\n               ^") {
		t.Errorf("error looks like\n%s", out)
	}
	if out, err := output(t, "sql", "-c", "select 1"); err == nil {
		t.Errorf("neither --dir nor --url was accepted: %s", out)
	}
}

func TestTwoProcessesOneDirectory(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir)
	out, err := output(t, "sql", "--dir", dir, "-c", "select 1")
	if err == nil || !strings.Contains(out, "in use by another engram") {
		t.Errorf("second opener: %v\n%s", err, out)
	}
	out, err = output(t, "sql", "--url", s.url, "-c", "select 1 as one")
	if want := " one \n-----\n   1\n(1 row)\n\n"; err != nil || out != want {
		t.Errorf("sql --url: %v\n%s", err, out)
	}
	s.terminate(t)
	if out, err := output(t, "sql", "--dir", dir, "-c", "select 1 as one"); err != nil {
		t.Errorf("after the server stopped: %v\n%s", err, out)
	}
}

func TestFirstStartKeepsItsPassword(t *testing.T) {
	dir := t.TempDir()
	cmd := engram(t, "serve", "--dir", dir, "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), asEngram+"=1", "ENGRAM_PASSWORD=")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, passwordFile)
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("password file has mode %v", info.Mode())
	}
	password, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	url := strings.TrimSpace(strings.TrimPrefix(line, "ready: "))
	c, err := pgx.Connect(context.Background(), strings.Replace(url, "@", ":"+strings.TrimSpace(string(password))+"@", 1))
	if err != nil {
		t.Fatal(err)
	}
	c.Close(context.Background())
	if _, err := pgx.Connect(context.Background(), strings.Replace(url, "@", ":wrong@", 1)); err == nil || !strings.Contains(err.Error(), "28P01") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestTrustOnlyOnLoopback(t *testing.T) {
	out, err := output(t, "serve", "--dir", t.TempDir(), "--listen", "0.0.0.0:0", "--auth", "trust")
	if err == nil || !strings.Contains(out, "loopback") {
		t.Errorf("trust on all addresses: %v\n%s", err, out)
	}
}

func TestWithoutModel(t *testing.T) {
	dir := t.TempDir()
	s := serve(t, dir, "--models", filepath.Join(dir, "none"))
	c := s.connect(t)
	ctx := context.Background()
	if _, err := c.Exec(ctx, "insert into memories (text) values ('kept until a model comes')"); err != nil {
		t.Fatal(err)
	}
	_, err := c.Exec(ctx, "select embed('x')")
	var e *pgconn.PgError
	if !errors.As(err, &e) || !strings.Contains(e.Message+e.Hint, "make models") || !strings.Contains(e.Message+e.Hint, "engram model import") {
		t.Errorf("embed without a model: %+v", e)
	}
	var n int
	if err := c.QueryRow(ctx, "select count(*) from memories where joint_embedding is null").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d memories wait, %v", n, err)
	}
	s.terminate(t)

	s = serve(t, dir, "--models", models(t))
	c = s.connect(t)
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if err := c.QueryRow(ctx, "select count(*) from memories where joint_embedding is null").Scan(&n); err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the memory was not embedded after the model came\n%s", s.log)
		}
	}
}
