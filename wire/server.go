package wire

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"
)

// AuthMode is how clients prove who they are.
type AuthMode uint8

const (
	// AuthSCRAM asks for the role's password by SCRAM-SHA-256, bound to the TLS channel when there is one.
	AuthSCRAM AuthMode = iota
	// AuthTrust believes everybody. A server that does so listens on loopback addresses and Unix sockets only.
	AuthTrust
)

// Errors of Serve.
var (
	ErrServerClosed     = errors.New("wire: server closed")
	ErrTrustNotLoopback = errors.New("wire: trust authentication needs a loopback address or a Unix socket")
	ErrNoEngine         = errors.New("wire: server without an engine")
)

// Server accepts connections and runs their sessions. Set the fields before the first call of Serve and leave them
// alone after. The zero value of a field is its default; Engine has none. All methods may be called concurrently.
type Server struct {
	Engine Engine
	Auth   AuthMode
	TLS    *tls.Config  // nil: no TLS. It must be able to give a certificate; ALPN is set by the server
	Logger *slog.Logger // nil: no log

	RequireTLS       bool          // refuse sessions without TLS, but for Unix sockets; default false
	MaxConnections   int           // sessions at one time; 0: 100
	MaxMessageBytes  int           // of one message of a client that has proved who it is; 0: 256 MiB
	AuthTimeout      time.Duration // from accept to the first ReadyForQuery; 0: 60 s
	WriteTimeout     time.Duration // for a client that does not read its results, for each 64 KB; 0: 60 s
	DisconnectChecks time.Duration // how often a running statement's client is looked for; 0: 5 s, negative: never

	once    sync.Once
	secret  [32]byte // makes the salts of users that do not exist
	mu      sync.Mutex
	closing bool
	conns   map[*conn]struct{}
	byPID   map[int32]*conn
	ready   int // connections past startup
	lists   map[net.Listener]struct{}
	wait    sync.WaitGroup
	stop    chan struct{}
}

func (s *Server) setup() {
	s.once.Do(func() {
		if _, err := rand.Read(s.secret[:]); err != nil {
			panic(err) // crypto/rand never fails
		}
		if s.Logger == nil {
			s.Logger = slog.New(slog.DiscardHandler)
		}
		setDefault(&s.MaxConnections, 100)
		setDefault(&s.MaxMessageBytes, 256<<20)
		setDefault(&s.AuthTimeout, time.Minute)
		setDefault(&s.WriteTimeout, time.Minute)
		setDefault(&s.DisconnectChecks, 5*time.Second)
		s.conns, s.byPID, s.lists = map[*conn]struct{}{}, map[int32]*conn{}, map[net.Listener]struct{}{}
		s.stop = make(chan struct{})
	})
}

func setDefault[T int | time.Duration](field *T, value T) {
	if *field == 0 {
		*field = value
	}
}

// Serve accepts connections of l until Shutdown is called (then it returns ErrServerClosed), ctx ends or accepting
// fails. It closes l, and returns when all sessions of the server have ended: those of an ended ctx are cut off. It may
// be called for several listeners.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	defer l.Close()
	if s.Engine == nil {
		return ErrNoEngine
	}
	if s.Auth == AuthTrust && !isLocal(l.Addr()) {
		return fmt.Errorf("%w, not %s", ErrTrustNotLoopback, l.Addr())
	}
	s.setup()
	if !s.track(l) {
		return ErrServerClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer context.AfterFunc(ctx, func() { l.Close() })()
	var watching sync.WaitGroup
	if s.DisconnectChecks > 0 {
		watching.Go(func() { s.watchClients(ctx) })
	}
	defer watching.Wait()
	defer cancel()
	err := s.accept(ctx, l)
	if s.isClosing() {
		s.wait.Wait() // Shutdown decides how long sessions may go on
		return ErrServerClosed
	}
	if ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	ended, end := context.WithCancel(context.Background())
	end()
	s.Shutdown(ended)
	return err
}

func (s *Server) accept(ctx context.Context, l net.Listener) error {
	for delay := time.Duration(0); ; {
		nc, err := l.Accept()
		if err != nil {
			if ctx.Err() != nil || s.isClosing() || errors.Is(err, net.ErrClosed) {
				return err
			}
			// Out of file descriptors, or a client that was gone at once: go on, slower.
			delay = min(max(2*delay, 5*time.Millisecond), time.Second)
			s.Logger.Warn("accept failed", "err", err, "retry", delay)
			select {
			case <-time.After(delay):
			case <-ctx.Done():
			}
			continue
		}
		delay = 0
		if tc, ok := nc.(*net.TCPConn); ok {
			tc.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 10 * time.Second, Count: 6})
		}
		c := newConn(s, nc)
		if !s.add(c) {
			c.refuse()
			continue
		}
		go func() {
			defer s.remove(c)
			c.serve(ctx)
		}()
	}
}

// Shutdown stops accepting, tells idle clients that the server goes (57P01), lets statements that run come to their
// end and cancels them when ctx ends. It returns when every goroutine of the server has ended; the error is ctx's when
// statements had to be cancelled.
func (s *Server) Shutdown(ctx context.Context) error {
	s.setup()
	s.mu.Lock()
	if !s.closing {
		s.closing = true
		close(s.stop)
	}
	for l := range s.lists {
		l.Close()
	}
	for c := range s.conns {
		c.dismiss()
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() {
		s.wait.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	const grace = 5 * time.Second // for a cancelled statement to notice
	for deadline := time.After(grace); ; {
		s.eachConn((*conn).cancelStatement)
		select {
		case <-done:
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		case <-deadline:
			s.eachConn(func(c *conn) { c.raw.Close() })
			<-done
			return ctx.Err()
		}
	}
}

func (s *Server) eachConn(f func(*conn)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		f(c)
	}
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing {
		s.lists[l] = struct{}{}
	}
	return !s.closing
}

// add takes a connection in. Clients that have not said yet who they are also count, so that they cannot exhaust the
// machine: twice as many as sessions are the most.
func (s *Server) add(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing || len(s.conns) >= 2*s.MaxConnections+10 {
		return false
	}
	s.conns[c] = struct{}{}
	s.wait.Add(1) // under the lock: Shutdown waits only after it has closed this door
	return true
}

func (s *Server) remove(c *conn) {
	defer s.wait.Done()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if c.counted {
		s.ready--
	}
	if c.pid != 0 && s.byPID[c.pid] == c {
		delete(s.byPID, c.pid)
	}
}

// admit counts a connection as a session; false when there are as many as may be.
func (s *Server) admit(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ready >= s.MaxConnections {
		return false
	}
	s.ready++
	c.counted = true
	return true
}

// register makes a session known to cancel requests.
func (s *Server) register(c *conn, pid int32, key []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.pid, c.key = pid, key
	s.byPID[pid] = c
}

// cancel ends the statement of a session when the key is right. A client learns neither whether the session exists
// nor whether the key was right.
func (s *Server) cancel(pid int32, key []byte) {
	s.mu.Lock()
	c := s.byPID[pid]
	right := c != nil && len(key) > 0 && subtle.ConstantTimeCompare(c.key, key) == 1
	s.mu.Unlock()
	if right {
		c.cancelStatement()
	}
}

// watchClients cancels statements whose clients are gone.
func (s *Server) watchClients(ctx context.Context) {
	t := time.NewTicker(s.DisconnectChecks)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.stop:
			return
		case <-t.C:
			s.eachConn(func(c *conn) {
				if c.busy() && hungUp(c.raw) {
					c.cancelStatement()
				}
			})
		}
	}
}

// Connections is how many clients are connected, those that have not proved who they are included.
func (s *Server) Connections() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// isLocal reports whether only this machine can reach an address.
func isLocal(a net.Addr) bool {
	switch a := a.(type) {
	case *net.UnixAddr:
		return true
	case *net.TCPAddr:
		return a.IP.IsLoopback()
	}
	return false
}
