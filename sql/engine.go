package sql

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/db"
	"engram/quant/model"
	"engram/sql/types"
)

// Options configure an Engine. Nil and the zero value mean the defaults.
type Options struct {
	Logger      *slog.Logger // nil means no log
	MemoryLimit int64        // bytes DuckDB may hold; 0 means 1 GiB
	Threads     int          // threads DuckDB runs on; 0 means one a core
	TempDir     string       // where DuckDB and large cursors spill; "" means a new directory under the system's, removed by Close
	Version     string       // of the product, shown by version(); "" means "dev"

	// TextEncoder gives the model behind embed(text). Its error wraps db.ErrNoModel while no model is installed and then
	// says how to install one. Nil means there is never a model.
	TextEncoder func(ctx context.Context) (db.Encoder, error)

	// Model gives the model of a name, behind embed(text, model). Its error wraps db.ErrNoModel where there is none of that
	// name. Nil means that only the text model can be named.
	Model func(ctx context.Context, name string) (db.Encoder, error)

	// Models are the installed models, behind quantize_model and its kin. Nil: there are none.
	Models *model.Registry

	// MediaEncoder turns pictures (kind "image") or sounds ("audio") into vectors, behind embed_image and embed_audio. model is
	// the one that is named, "" the standard one of its kind. Its error wraps db.ErrNoModel while that is not installed. Nil
	// means there is never a model.
	MediaEncoder func(ctx context.Context, kind, model string, items [][]byte) ([][]float32, error)

	now func() time.Time // tests
}

// Engine runs SQL over one database. It is safe for concurrent use.
type Engine struct {
	db      *db.DB
	options Options
	log     *slog.Logger
	started time.Time

	mu       sync.Mutex
	sessions map[int32]*Session
	nextPID  int32
	closed   bool

	plans     *planCache
	filters   *lru[*roaring64.Bitmap] // rows that predicates let through, read-only
	costs     filterCosts
	channels  channels
	relations relations
	locks     locks
	xids      atomic.Uint64
	engineDuck
}

// Open makes an engine over an open database, which stays the caller's to close, after the engine.
func Open(d *db.DB, o *Options) (*Engine, error) {
	e := &Engine{db: d, sessions: map[int32]*Session{}, plans: newPlanCache(),
		filters: newLRU[*roaring64.Bitmap](keptFilters)}
	if o != nil {
		e.options = *o
	}
	if e.options.Version == "" {
		e.options.Version = "dev"
	}
	e.log = e.options.Logger
	if e.log == nil {
		e.log = slog.New(slog.DiscardHandler)
	}
	e.started = e.now()
	if err := e.openDuck(); err != nil {
		return nil, fmt.Errorf("sql: %w", err)
	}
	return e, nil
}

// Close ends every session and DuckDB. The database stays open.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.closed = true
	open := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		open = append(open, s)
	}
	e.mu.Unlock()
	for _, s := range open {
		s.stop(errShutdown)
	}
	return e.closeDuck()
}

// DB is the database below.
func (e *Engine) DB() *db.DB { return e.db }

func (e *Engine) now() time.Time {
	if e.options.now != nil {
		return e.options.now()
	}
	return time.Now()
}

// NewSession starts a session. The role must exist and be allowed to log in: 28000 otherwise. Whether the client is who
// it says was decided before. ctx bounds the whole session.
func (e *Engine) NewSession(ctx context.Context, o SessionOptions) (*Session, error) {
	if o.User == "" {
		o.User = FirstRole
	}
	if o.Database == "" {
		o.Database = o.User
	}
	role, ok, err := e.Role(o.User)
	if err != nil {
		return nil, asError(err)
	}
	if !ok {
		return nil, fatal(types.CodeInvalidAuthorizationSpec, "role %q does not exist", o.User)
	}
	if !role.Login {
		return nil, fatal(types.CodeInvalidAuthorizationSpec, "role %q is not permitted to log in", o.User)
	}
	s := newSession(ctx, e, role, o)
	if err := e.register(s, o.PID); err != nil {
		return nil, err
	}
	if err := s.applyStart(o.Settings); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func fatal(code, format string, args ...any) *Error {
	e := types.Errorf(code, format, args...)
	e.Severity = "FATAL"
	return e
}

func (e *Engine) register(s *Session, pid int32) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fatal(types.CodeAdminShutdown, "the database system is shutting down")
	}
	if pid <= 0 {
		for {
			if e.nextPID++; e.nextPID <= 0 {
				e.nextPID = 1
			}
			if _, taken := e.sessions[e.nextPID]; !taken {
				break
			}
		}
		pid = e.nextPID
	} else if _, taken := e.sessions[pid]; taken {
		return fatal(types.CodeInternalError, "backend %d is already there", pid)
	}
	s.pid = pid
	e.sessions[pid] = s
	return nil
}

func (e *Engine) unregister(s *Session) {
	e.mu.Lock()
	defer e.mu.Unlock()
	delete(e.sessions, s.pid)
}

// CancelPID ends the running statement of the session with that number; false means that there is none.
func (e *Engine) CancelPID(pid int32) bool {
	e.mu.Lock()
	s := e.sessions[pid]
	e.mu.Unlock()
	if s == nil {
		return false
	}
	s.Cancel()
	return true
}
