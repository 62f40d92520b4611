package wire

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"
)

// lockedBuffer is a log that goroutines share.
type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) text() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

func TestPanicEndsOneSession(t *testing.T) {
	log := &lockedBuffer{}
	engine := newFake()
	addr := start(t, &Server{Engine: engine, Auth: AuthTrust, Logger: slog.New(slog.NewTextHandler(log, nil))})
	other, c := connect(t, addr), connect(t, addr)
	c.send(query("panic"))
	c.expectEnd("E FATAL XX000 internal error: the session ended by a panic")
	if !strings.Contains(log.text(), "a statement panicked") || !strings.Contains(log.text(), "fake_test.go") {
		t.Errorf("the log lacks the panic and its stack: %s", log.text())
	}
	other.send(query("rows 1"))
	other.expect("T n:20:0", `D "0"`, "C SELECT 1", "Z I")
	waitFor(t, func() bool { return engine.closed.Load() == 1 })
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

func TestMessageLimits(t *testing.T) {
	addr := start(t, &Server{Engine: newFake(), Auth: AuthTrust, MaxMessageBytes: 1 << 20})
	c := connect(t, addr)
	c.send(query("notice " + strings.Repeat("x", 1<<20-100))) // just fits
	if lines := c.untilReady(); len(lines) != 3 {
		t.Fatal(len(lines))
	}
	go func() { // the error must reach a client that is still sending
		c.conn.Write([]byte{'Q', 0, 0x40, 0, 0})
		c.conn.Write(make([]byte, 4<<20))
	}()
	c.expectEnd("E FATAL 54000 message of 4194300 bytes exceeds the limit of 1048576 bytes")
	for _, test := range []struct {
		raw  []byte
		want string
	}{
		{[]byte{'Q', 0, 0, 0, 3}, "E FATAL 08P01 invalid message length"},
		{[]byte{'Q', 0xff, 0xff, 0xff, 0xff}, "E FATAL 08P01 invalid message length"},
		{[]byte{'!', 0, 0, 0, 4}, "E FATAL 08P01 invalid frontend message type 33"},
		{[]byte{'p', 0, 0, 0, 4}, "E FATAL 08P01 invalid frontend message type 112"},
	} {
		c := connect(t, addr)
		c.write(test.raw)
		c.expectEnd(test.want)
	}
}

// TestPromisedMemory sends the head of a huge message and nothing else: memory must follow what comes.
func TestPromisedMemory(t *testing.T) {
	addr := start(t, &Server{Engine: newFake(), Auth: AuthTrust, MaxMessageBytes: 1 << 30})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 8 {
		c := connect(t, addr)
		c.write(append([]byte{'Q', 0x3f, 0xff, 0xff, 0}, make([]byte, 1000)...))
	}
	time.Sleep(50 * time.Millisecond)
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
		t.Errorf("8 promises took %d MB", grown>>20)
	}
}

func TestDroppedConnections(t *testing.T) {
	engine := newFake()
	s := &Server{Engine: engine, Auth: AuthTrust, DisconnectChecks: 20 * time.Millisecond, MaxConnections: 200}
	addr := start(t, s)
	whole, _ := query("rows 1").Encode(nil)
	for i := range whole { // half a message
		c := connect(t, addr)
		c.write(whole[:i])
		c.conn.Close()
	}
	c := connect(t, addr) // in the middle of a result
	c.send(query("big 1000000"))
	c.until("D")
	c.conn.Close()
	c = connect(t, addr) // while a statement runs that sends nothing
	c.send(query("sleep"))
	c.conn.Close()
	c = connect(t, addr) // in the middle of a COPY
	c.send(query("copyin"))
	c.until("G")
	c.conn.(*net.TCPConn).SetLinger(0)
	c.conn.Close()
	waitFor(t, func() bool { return s.Connections() == 0 })
	if n := int(engine.closed.Load()); n != len(whole)+3 {
		t.Errorf("%d sessions were closed, not %d", n, len(whole)+3)
	}
}

func TestSlowReader(t *testing.T) {
	s := &Server{Engine: newFake(), Auth: AuthTrust, WriteTimeout: 100 * time.Millisecond}
	c := connect(t, start(t, s))
	c.send(query("big 100000000"))
	waitFor(t, func() bool { return s.Connections() == 0 })
}

func TestTooManyConnections(t *testing.T) {
	s := &Server{Engine: newFake(), Auth: AuthTrust, MaxConnections: 2}
	addr := start(t, s)
	a, b := connect(t, addr), connect(t, addr)
	c := dial(t, addr)
	c.write(startupPacket(3<<16, "user", "ann"))
	c.expectEnd("E FATAL 53300 sorry, too many clients already")
	// a cancel request still gets through
	a.send(query("sleep"))
	waitFor(t, func() bool {
		k := dial(t, addr)
		body := append(binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, codeCancel), a.pid), a.key...)
		k.write(append([]byte{0, 0, 0, 16}, body...))
		k.expectEnd()
		a.conn.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
		_, err := a.r.Peek(1)
		return err == nil
	})
	a.conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	a.expect("E ERROR 57014 canceling statement due to user request", "Z I")
	a.send(&pgproto3.Terminate{})
	a.expectEnd()
	waitFor(t, func() bool { return s.Connections() == 1 })
	connect(t, addr)
	b.send(query("rows 0"))
	b.untilReady()
	// many that say nothing cannot pile up either
	var silent []*client
	for range 2*s.MaxConnections + 10 {
		silent = append(silent, dial(t, addr))
	}
	silent[len(silent)-1].until("E FATAL 53300")
}

func TestShutdown(t *testing.T) {
	engine := newFake()
	s := &Server{Engine: engine, Auth: AuthTrust}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), l) }()
	addr := l.Addr().String()
	idle, block, running, stuck := connect(t, addr), connect(t, addr), connect(t, addr), connect(t, addr)
	fresh := dial(t, addr)
	block.send(query("begin"))
	block.untilReady()
	running.send(query("copyin"))
	running.until("G")
	stuck.send(query("sleep"))
	time.Sleep(20 * time.Millisecond)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Shutdown(ctx) }()
	const bye = "E FATAL 57P01 terminating connection due to administrator command"
	idle.expectEnd(bye)
	block.expectEnd(bye)
	if _, err := fresh.r.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("a connection in its startup gets %v", err)
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("the server still accepts")
	}
	running.send(&pgproto3.CopyData{Data: []byte("abc")}, &pgproto3.CopyDone{}) // may come to its end
	running.expectEnd("C COPY 3", "Z I", bye)
	select {
	case err := <-ended:
		t.Fatal("Shutdown did not wait for a running statement:", err)
	case <-time.After(50 * time.Millisecond):
	}
	cancel()
	stuck.expectEnd("E ERROR 57014 canceling statement due to user request", "Z I", bye)
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, ErrServerClosed) {
		t.Error(err)
	}
	if n := engine.closed.Load(); n != 4 {
		t.Errorf("%d sessions were closed", n)
	}
	if err := s.Serve(context.Background(), l); !errors.Is(err, ErrServerClosed) {
		t.Error("a server that was shut down serves:", err)
	}
}

func TestFatalFromTheEngine(t *testing.T) {
	c := connect(t, start(t, &Server{Engine: newFake(), Auth: AuthTrust}))
	c.send(query("fatal"))
	c.expectEnd("E FATAL 57P01 go away")
}

// TestBigResult checks that a long result arrives whole and in order.
func TestBigResult(t *testing.T) {
	c := connect(t, start(t, &Server{Engine: newFake(), Auth: AuthTrust}))
	c.send(query("big 5000"))
	c.expect("T n:20:0 t:25:0")
	for i := range 5000 {
		line, err := c.next()
		if err != nil || !strings.HasPrefix(line, "D \""+itoa(i)+"\" \"xxx") || len(line) != len(itoa(i))+1007 {
			t.Fatalf("row %d: %.60s (%d) %v", i, line, len(line), err)
		}
	}
	c.expect("C SELECT 5000", "Z I")
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}
