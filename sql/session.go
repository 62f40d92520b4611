package sql

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"engram/db"
	"engram/sql/types"
)

// Session is one client's conversation with the engine. One goroutine uses it, but for Cancel, PID and Close's wish to
// stop a statement that runs.
type Session struct {
	engine *Engine
	role   *Role
	user   string
	name   string // of the database as the client knows it
	remote string
	pid    int32
	notice func(*Error)

	ctx context.Context // of the session
	end context.CancelCauseFunc

	settings   *settings
	style      *types.Style
	styleOf    uint64 // settings.version that style was made from
	tuned      *searchTuning
	tunedOf    uint64 // settings.version that tuned was made from
	txn        transaction
	statements map[string]*Statement
	portals    map[string]*Portal
	tableExprs map[db.TableID]*tableExprs

	sequences    map[sequenceID]int64 // the values nextval gave last
	lastSequence int64

	mu       sync.Mutex // guards running and activity
	running  context.CancelCauseFunc
	activity activity
}

// activity is what pg_stat_activity shows of a session.
type activity struct {
	state       string
	application string
	query       string
	started     time.Time // of the session
	queryStart  time.Time
	changed     time.Time
	txnStart    time.Time
}

func newSession(ctx context.Context, e *Engine, role *Role, o SessionOptions) *Session {
	s := &Session{engine: e, role: role, user: role.Name, name: o.Database, remote: o.RemoteAddr, notice: o.Notice,
		settings: newSettings(), statements: map[string]*Statement{}, portals: map[string]*Portal{}}
	s.ctx, s.end = context.WithCancelCause(ctx)
	s.activity = activity{state: "idle", started: e.now(), changed: e.now()}
	s.settings.start["session_authorization"] = role.Name
	s.settings.start["is_superuser"] = map[bool]string{true: "on", false: "off"}[role.Superuser]
	return s
}

// applyStart takes the settings of the startup message, which become what RESET goes back to.
func (s *Session) applyStart(given map[string]string) error {
	for name, value := range given {
		def, ok := lookupSetting(name)
		if !ok {
			if !isCustom(name) {
				e := unknownSetting(name)
				e.Severity = "FATAL"
				return e
			}
			s.settings.start[strings.ToLower(name)] = value
			continue
		}
		v, err := s.checkSetting(def, value)
		if err != nil {
			e := asError(err)
			e.Severity = "FATAL"
			return e
		}
		s.settings.start[strings.ToLower(name)] = v
	}
	return nil
}

func (s *Session) checkSetting(def *setting, value string) (string, error) {
	switch {
	case def.context == internalContext:
		return "", types.Errorf(types.CodeCantChangeRuntimeParam, "parameter %q cannot be changed", def.name)
	case def.context == fixedContext:
		return "", types.Errorf(types.CodeCantChangeRuntimeParam, "parameter %q cannot be changed without restarting the server", def.name)
	case def.context == superuserContext && !s.superuser():
		return "", types.Errorf(types.CodeInsufficientPrivilege, "permission denied to set parameter %q", def.name)
	}
	return def.canonical(s, value)
}

func (s *Session) superuser() bool { return s.role.Superuser }

// PID is the session's number, positive, that clients cancel it by.
func (s *Session) PID() int32 { return s.pid }

// User is the role the session runs as.
func (s *Session) User() string { return s.user }

// Cancel ends the running statement with 57014. It does nothing when none runs. Any goroutine may call it.
func (s *Session) Cancel() { s.interrupt(errCanceled) }

func (s *Session) interrupt(cause error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		s.running(cause)
	}
}

// stop ends the session from outside: what runs fails with cause, and so does everything after.
func (s *Session) stop(cause error) { s.end(cause) }

// Close undoes the open transaction and gives back what the session holds. The session's goroutine calls it.
func (s *Session) Close() {
	s.end(errShutdown)
	if s.txn.state != txnIdle {
		s.rollbackTxn()
	}
	for name := range s.portals {
		s.ClosePortal(name)
	}
	s.engine.channels.unlistenAll(s)
	s.engine.locks.releaseAll(s)
	s.engine.unregister(s)
}

// statementContext makes the context of one statement: it ends with ctx, with the session, when Cancel is called, and
// after statement_timeout. done must be called.
func (s *Session) statementContext(ctx context.Context) (stmt context.Context, done func()) {
	stmt, cancel := context.WithCancelCause(ctx)
	unlink := context.AfterFunc(s.ctx, func() { cancel(context.Cause(s.ctx)) })
	var timer *time.Timer
	if ms := s.settingInt("statement_timeout"); ms > 0 {
		timer = time.AfterFunc(time.Duration(ms)*time.Millisecond, func() { cancel(errStatementTimeout) })
	}
	s.mu.Lock()
	outer := s.running
	s.running = cancel
	s.mu.Unlock()
	return stmt, func() {
		s.mu.Lock()
		s.running = outer
		s.mu.Unlock()
		if timer != nil {
			timer.Stop()
		}
		unlink()
		cancel(nil)
	}
}

// causeOf tells why a statement's context ended.
func causeOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		if cause := context.Cause(ctx); cause != nil {
			return cause
		}
	}
	return err
}

// setting gives the value of a setting as current_setting does.
func (s *Session) setting(name string) (string, bool) {
	switch strings.ToLower(name) {
	case "transaction_isolation":
		if s.txn.state != txnIdle {
			return s.txn.isolation, true
		}
		return s.settings.get("default_transaction_isolation")
	case "transaction_read_only":
		if s.txn.state != txnIdle {
			return onOff(s.txn.readOnly), true
		}
		return s.settings.get("default_transaction_read_only")
	case "transaction_deferrable":
		return onOff(s.txn.deferrable), true
	}
	return s.settings.get(name)
}

func onOff(b bool) string {
	if b {
		return "on"
	}
	return "off"
}

func (s *Session) settingInt(name string) int64 {
	v, _ := s.settings.get(name)
	n, _ := strconv.ParseInt(v, 10, 64)
	return n
}

// ParameterChanges lists the settings that clients are told about and whose values changed since the last call; the
// first call lists them all.
func (s *Session) ParameterChanges() []Parameter { return s.settings.changed() }

// Style is how values are spelled under the session's settings. It is valid until the next statement.
func (s *Session) Style() *types.Style {
	if s.style != nil && s.styleOf == s.settings.version {
		return s.style
	}
	st := &types.Style{}
	get := func(name string) string { v, _ := s.settings.get(name); return v }
	if loc, err := timeZone(get("TimeZone")); err == nil {
		st.TimeZone = loc
	}
	st.SetDateStyle(get("DateStyle"))
	st.SetIntervalStyle(get("IntervalStyle"))
	st.ByteaEscape = get("bytea_output") == "escape"
	st.SetExtraFloatDigits(int(s.settingInt("extra_float_digits")))
	st.Now = func() time.Time { return time.UnixMicro(s.nowMicros()) }
	s.style, s.styleOf = st, s.settings.version
	return st
}

// nowMicros is the start of the transaction, which now() gives.
func (s *Session) nowMicros() int64 {
	if s.txn.state == txnIdle {
		return s.engine.now().UnixMicro()
	}
	return s.txn.now
}

// searchPath lists the schemas a bare name is looked for in, without those that the path does not name.
func (s *Session) searchPath() []string {
	v, _ := s.settings.get("search_path")
	var path []string
	for _, name := range splitIdentifiers(v) {
		if name == "$user" {
			name = s.user
		}
		path = append(path, name)
	}
	return path
}

// splitIdentifiers reads a list of names as search_path holds it.
func splitIdentifiers(v string) []string {
	var out []string
	for v = strings.TrimSpace(v); v != ""; v = strings.TrimSpace(v) {
		var name string
		if v[0] == '"' {
			end := 1
			for end < len(v) && (v[end] != '"' || end+1 < len(v) && v[end+1] == '"') {
				if v[end] == '"' {
					end++
				}
				end++
			}
			name = strings.ReplaceAll(v[1:min(end, len(v))], `""`, `"`)
			v = v[min(end+1, len(v)):]
		} else {
			end := strings.IndexByte(v, ',')
			if end < 0 {
				end = len(v)
			}
			name = strings.ToLower(strings.TrimSpace(v[:end]))
			v = v[end:]
		}
		if name != "" {
			out = append(out, name)
		}
		v = strings.TrimPrefix(strings.TrimSpace(v), ",")
	}
	return out
}

// messageRank orders the levels of client_min_messages.
var messageRank = map[string]int{"DEBUG": 1, "LOG": 2, "INFO": 9, "NOTICE": 3, "WARNING": 4, "ERROR": 5}

// say sends a notice if the client wants to hear of its level.
func (s *Session) say(e *Error) {
	if s.notice == nil {
		return
	}
	level, _ := s.settings.get("client_min_messages")
	least := messageRank[strings.ToUpper(strings.TrimRight(level, "12345"))]
	if messageRank[e.Severity] >= least {
		s.notice(e)
	}
}

func (s *Session) warn(code, format string, args ...any) {
	e := types.Errorf(code, format, args...)
	e.Severity = "WARNING"
	s.say(e)
}

func (s *Session) note(format string, args ...any) {
	e := types.Errorf(types.CodeSuccessfulCompletion, format, args...)
	e.Severity = "NOTICE"
	s.say(e)
}

// setActivity brings pg_stat_activity up to date with the transaction.
func (s *Session) setActivity() {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &s.activity
	a.changed = s.engine.now()
	switch s.txn.state {
	case txnIdle:
		a.txnStart = time.Time{}
	default:
		a.txnStart = time.UnixMicro(s.txn.now)
	}
	if s.running == nil {
		switch s.txn.state {
		case txnBlock:
			a.state = "idle in transaction"
		case txnFailed:
			a.state = "idle in transaction (aborted)"
		default:
			a.state = "idle"
		}
	}
}

func (s *Session) setQuery(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.engine.now()
	s.activity.state, s.activity.query, s.activity.queryStart, s.activity.changed = "active", text, now, now
}
