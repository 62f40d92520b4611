package wire

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime/debug"
	"time"

	"engram/sql"
	"engram/sql/types"

	"github.com/jackc/pgx/v5/pgproto3"
)

// conn is one client's connection.
type conn struct {
	server *Server
	raw    net.Conn
	secure *tls.Conn // nil without TLS
	remote string
	log    *slog.Logger
	ctx    context.Context

	in          frames
	out         out
	certificate *tls.Certificate // shown in the handshake
	version     uint32           // of the protocol
	session     Session          // set before live is, and never changed
	result      result
	skipping    bool  // an error in the extended protocol: nothing counts until Sync
	broken      error // the stream cannot be read on

	idle idle

	counted bool   // among the server's sessions; guarded by the server's lock, as the next two
	pid     int32  // 0 before there is a session
	key     []byte // that a cancel request must bring
}

func newConn(s *Server, nc net.Conn) *conn {
	c := &conn{server: s, raw: nc}
	if a := nc.RemoteAddr(); a != nil && a.Network() != "unix" {
		c.remote = a.String()
	}
	c.in.limit = maxUnproven
	c.out.timeout = s.WriteTimeout
	c.result.c = c
	c.use(nc)
	return c
}

// use makes a stream the one that is read and written.
func (c *conn) use(nc net.Conn) {
	c.in.r = bufio.NewReaderSize(nc, 16<<10)
	c.out.conn = nc
}

// refuse turns a client away without looking at it.
func (c *conn) refuse() {
	e := fatal(types.CodeTooManyConnections, "sorry, too many clients already")
	if c.server.isClosing() {
		e = fatal(types.CodeCannotConnectNow, "the database system is shutting down")
	}
	c.out.timeout = time.Second
	c.out.sendError(e)
	c.out.flush()
	c.raw.Close()
}

// serve runs the connection to its end. A panic ends this connection only.
func (c *conn) serve(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c.ctx = ctx
	c.log = c.server.Logger.With("remote", c.remote)
	defer c.raw.Close()
	defer c.end()
	err := c.guard(c.start)
	if err == nil {
		unwatch := c.watch()
		err = c.guard(c.loop)
		unwatch()
	}
	c.report(err)
}

// guard turns a panic into an error that ends the connection.
func (c *conn) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			c.log.Error("panic in a session", "panic", p, "stack", string(debug.Stack()))
			err = fatal(types.CodeInternalError, "internal error: the session ended by a panic")
		}
	}()
	return f()
}

func (c *conn) catch(what string) {
	if p := recover(); p != nil {
		c.log.Error("panic in a session", "while", what, "panic", p, "stack", string(debug.Stack()))
	}
}

// end gives the session back.
func (c *conn) end() {
	c.idle.Lock()
	c.idle.waiting = false
	c.idle.Unlock()
	if c.session != nil {
		defer c.catch("ending the session")
		c.session.Close()
	}
}

// report tells the client why its connection ends, if there is anything to tell and anybody to be told.
func (c *conn) report(err error) {
	var e *types.Error
	switch {
	case err == nil || isGone(err) || errors.Is(err, errHangUp):
		c.log.Debug("connection ended", "err", err)
		return
	case errors.As(err, &e):
	default:
		e = asError(err)
	}
	copied := *e
	copied.Severity = "FATAL"
	c.log.Info("connection ended by an error", "code", e.Code, "message", e.Message)
	c.out.sendError(&copied)
	c.out.timeout = min(c.out.timeout, 5*time.Second)
	if c.out.flush() != nil {
		return
	}
	if c.secure != nil {
		c.secure.CloseWrite()
	}
	switch e.Code {
	case types.CodeProtocolViolation, types.CodeProgramLimitExceeded, types.CodeTooManyConnections:
		c.linger()
	}
}

// linger takes in what the client still sends, for a while: closing a socket with unread bytes would take the error
// away from the client before it has read it.
func (c *conn) linger() {
	if tc, ok := c.raw.(*net.TCPConn); ok {
		tc.CloseWrite()
	}
	c.raw.SetReadDeadline(time.Now().Add(lingerTime))
	io.CopyN(io.Discard, c.raw, 64<<20)
}

const lingerTime = 2 * time.Second

// start goes from the first byte to the first ReadyForQuery.
func (c *conn) start() error {
	c.raw.SetDeadline(time.Now().Add(c.server.AuthTimeout))
	st, err := c.greet()
	if err != nil {
		return err
	}
	if st.cancel {
		c.server.cancel(st.pid, st.key)
		return errHangUp
	}
	c.negotiate(st)
	if _, unix := c.raw.(*net.UnixConn); c.server.RequireTLS && c.secure == nil && !unix {
		return fatal(types.CodeInvalidAuthorizationSpec, "this server requires SSL encryption")
	}
	if !c.server.admit(c) {
		return fatal(types.CodeTooManyConnections, "sorry, too many clients already")
	}
	user := st.parameters["user"]
	if err := c.authenticate(user); err != nil {
		return c.authError(user, err)
	}
	c.out.send(&pgproto3.AuthenticationOk{})
	if err := c.openSession(st); err != nil {
		return err
	}
	c.in.limit = c.server.MaxMessageBytes
	if err := c.ready(); err != nil {
		return err
	}
	c.raw.SetDeadline(time.Time{})
	return nil
}

func (c *conn) authError(user string, err error) error {
	var e *types.Error
	if errors.As(err, &e) {
		c.log.Warn("authentication failed", "user", user, "code", e.Code)
		return err
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		c.log.Warn("authentication timed out", "user", user)
	}
	return err
}

func (c *conn) openSession(st *startup) error {
	settings, err := st.settings()
	if err != nil {
		return err
	}
	s, err := c.server.Engine.NewSession(c.ctx, sql.SessionOptions{User: st.parameters["user"], Database: st.parameters["database"],
		RemoteAddr: c.remote, Settings: settings, Notice: c.notice})
	if err != nil {
		return err
	}
	c.session = s
	key := make([]byte, 4)
	if c.version > protocol30 {
		key = make([]byte, 32)
	}
	if _, err := rand.Read(key); err != nil {
		return err
	}
	pid := s.PID()
	if pid <= 0 {
		return fmt.Errorf("the engine numbered a session %d", pid)
	}
	c.server.register(c, pid, key)
	c.parameters()
	c.out.send(&pgproto3.BackendKeyData{ProcessID: uint32(pid), SecretKey: key})
	return nil
}

// notice sends a notice at once, because a statement that takes long reports by it how far it is.
func (c *conn) notice(e *types.Error) {
	r := response(e, "NOTICE")
	c.out.send((*pgproto3.NoticeResponse)(&r))
	c.out.flush() // an error shows at the next write
}

// parameters tells the client the settings that have changed.
func (c *conn) parameters() {
	for _, p := range c.session.ParameterChanges() {
		c.out.send(&pgproto3.ParameterStatus{Name: printable(p.Name), Value: printable(p.Value)})
	}
}

// notifications hands out what other sessions sent, which must not happen inside a transaction.
func (c *conn) notifications() bool {
	if c.session.Status() != 'I' {
		return false
	}
	list := c.session.Notifications()
	for _, n := range list {
		c.out.send(&pgproto3.NotificationResponse{PID: uint32(n.PID), Channel: printable(n.Channel), Payload: printable(n.Payload)})
	}
	return len(list) > 0
}

// ready ends a cycle: what changed, ReadyForQuery, and all of it on its way.
func (c *conn) ready() error {
	c.skipping = false
	c.parameters()
	c.notifications()
	c.out.send(&pgproto3.ReadyForQuery{TxStatus: c.session.Status()})
	return c.out.flush()
}

// watch sends notifications that come while the client is silent. The function it returns ends that.
func (c *conn) watch() (unwatch func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	notified := c.session.Notified()
	go func() {
		defer close(ended)
		defer c.catch("notifying")
		for {
			select {
			case <-done:
				return
			case <-notified:
			}
			c.idle.Lock()
			if c.idle.waiting && c.notifications() && c.out.flush() != nil {
				c.raw.Close()
			}
			c.idle.Unlock()
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// busy reports whether the session works.
func (c *conn) busy() bool {
	c.idle.Lock()
	defer c.idle.Unlock()
	return !c.idle.waiting
}

// cancelStatement ends what the session runs. The server's lock may be held.
func (c *conn) cancelStatement() {
	c.idle.Lock()
	s := c.live()
	c.idle.Unlock()
	if s != nil {
		s.Cancel()
	}
}

// live is the session once it is known to others; the idle lock is held.
func (c *conn) live() Session {
	if !c.idle.started {
		return nil
	}
	return c.session
}

// dismiss ends the connection because the server goes: now when it is idle or has no session yet, else when its
// statement has ended.
func (c *conn) dismiss() {
	c.idle.Lock()
	defer c.idle.Unlock()
	c.idle.dismissed = true
	switch {
	case !c.idle.started:
		c.raw.SetDeadline(time.Now().Add(-time.Second))
	case c.idle.waiting:
		c.raw.SetReadDeadline(time.Now().Add(-time.Second)) // wakes the session's goroutine, which says why
	}
}

var errDismissed = fatal(types.CodeAdminShutdown, "terminating connection due to administrator command")

// wait reads the next message. Others may use the write buffer meanwhile.
func (c *conn) wait() (kind byte, body []byte, err error) {
	c.idle.Lock()
	if c.idle.dismissed && !c.pipelined() {
		c.idle.Unlock()
		return 0, nil, errDismissed
	}
	c.idle.waiting, c.idle.started = true, true
	c.idle.Unlock()
	kind, body, err = c.in.next()
	c.idle.Lock()
	c.idle.waiting = false
	dismissed := c.idle.dismissed
	c.idle.Unlock()
	if err != nil && dismissed {
		return 0, nil, errDismissed
	}
	return kind, body, err
}

// pipelined reports whether messages of the client wait here already.
func (c *conn) pipelined() bool { return c.in.r.Buffered() > 0 }

// loop serves messages until the client leaves.
func (c *conn) loop() error {
	for {
		kind, body, err := c.wait()
		if err != nil {
			return c.frameError(err)
		}
		if kind == 'X' {
			return nil
		}
		if err := c.message(kind, body); err != nil {
			return err
		}
		if c.broken != nil {
			return c.broken
		}
		if c.out.err != nil {
			return c.out.err
		}
	}
}

func isNetError(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrClosedPipe)
}
