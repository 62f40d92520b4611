package sql

import (
	"context"
	"os"
	"strings"
	"sync"
	"time"

	"engram/db"
	"engram/sql/internal/catalog"
	"engram/sql/types"
)

// sessionFunction is a function that knows the session, changes it, or knows the engine. It is called with NULLs.
type sessionFunction struct {
	args    []types.Type
	returns types.Type
	call    func(ctx context.Context, s *Session, args []any) (any, error)
}

func of(oids ...uint32) []types.Type {
	out := make([]types.Type, len(oids))
	for i, oid := range oids {
		out[i] = types.Of(oid)
	}
	return out
}

// sessionFunctions lists them by name, overloads together.
var sessionFunctions = sync.OnceValue(func() map[string][]sessionFunction {
	m := map[string][]sessionFunction{}
	add := func(names string, args []types.Type, returns uint32, call func(ctx context.Context, s *Session, args []any) (any, error)) {
		for _, name := range strings.Fields(names) {
			m[name] = append(m[name], sessionFunction{args, types.Of(returns), call})
		}
	}
	constant := func(names string, args []types.Type, returns uint32, v any) {
		add(names, args, returns, func(context.Context, *Session, []any) (any, error) { return v, nil })
	}
	addIdentity(add, constant)
	addControl(add)
	addSequences(add)
	addLocks(add)
	addSizes(add, constant)
	return m
})

type addFunction func(names string, args []types.Type, returns uint32, call func(ctx context.Context, s *Session, args []any) (any, error))

func addIdentity(add addFunction, constant func(names string, args []types.Type, returns uint32, v any)) {
	add("current_user session_user current_role user getpgusername", nil, types.NameOID,
		func(_ context.Context, s *Session, _ []any) (any, error) { return s.user, nil })
	add("version", nil, types.TextOID, func(_ context.Context, s *Session, _ []any) (any, error) { return s.engine.version(), nil })
	add("current_query", nil, types.TextOID, func(_ context.Context, s *Session, _ []any) (any, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.activity.query, nil
	})
	add("inet_client_addr", nil, types.TextOID, func(_ context.Context, s *Session, _ []any) (any, error) {
		if s.remote == "" {
			return nil, nil
		}
		return s.remote, nil
	})
	add("pg_postmaster_start_time pg_conf_load_time", nil, types.TimestamptzOID,
		func(_ context.Context, s *Session, _ []any) (any, error) { return s.engine.started.UnixMicro(), nil })
	add("txid_current", nil, types.Int8OID, func(_ context.Context, s *Session, _ []any) (any, error) { return s.xid(), nil })
	add("pg_current_xact_id", nil, types.Xid8OID, func(_ context.Context, s *Session, _ []any) (any, error) { return s.xid(), nil })
	constant("txid_current_if_assigned", nil, types.Int8OID, nil)
	constant("pg_current_xact_id_if_assigned", nil, types.Xid8OID, nil)
	constant("inet_server_addr pg_current_logfile", nil, types.TextOID, nil)
	constant("inet_client_port", nil, types.Int4OID, nil)
	constant("pg_trigger_depth", nil, types.Int4OID, int64(0))
	constant("pg_jit_available pg_is_wal_replay_paused", nil, types.BoolOID, false)
	constant("pg_last_xact_replay_timestamp", nil, types.TimestamptzOID, nil)
	constant("pg_blocking_pids pg_safe_snapshot_blocking_pids", of(types.Int4OID), types.Int4ArrayOID, []any{})
	constant("row_security_active", of(types.OidOID), types.BoolOID, false)
	constant("pg_collation_actual_version pg_database_collation_actual_version", of(types.OidOID), types.TextOID, nil)
}

// xid numbers the transaction.
func (s *Session) xid() int64 {
	if s.txn.xid == 0 {
		s.txn.xid = int64(s.engine.xids.Add(1))
	}
	return s.txn.xid
}

// addControl adds what changes settings, sends messages and ends statements.
func addControl(add addFunction) {
	add("set_config", of(types.TextOID, types.TextOID, types.BoolOID), types.TextOID,
		func(_ context.Context, s *Session, a []any) (any, error) {
			name, ok := a[0].(string)
			if !ok {
				return nil, types.Errorf(types.CodeNullValueNotAllowed, "SET requires parameter name")
			}
			value, _ := a[1].(string)
			local, _ := a[2].(bool)
			if err := s.assign(name, value, local); err != nil {
				return nil, err
			}
			v, _ := s.setting(name)
			return v, nil
		})
	add("pg_cancel_backend", of(types.Int4OID), types.BoolOID,
		func(_ context.Context, s *Session, a []any) (any, error) { return s.signal(a[0], errCanceled) })
	add("pg_terminate_backend", of(types.Int4OID), types.BoolOID,
		func(_ context.Context, s *Session, a []any) (any, error) { return s.signal(a[0], errShutdown) })
	add("pg_terminate_backend", of(types.Int4OID, types.Int8OID), types.BoolOID,
		func(_ context.Context, s *Session, a []any) (any, error) { return s.signal(a[0], errShutdown) })
	add("pg_notify", of(types.TextOID, types.TextOID), types.VoidOID,
		func(_ context.Context, s *Session, a []any) (any, error) {
			channel, _ := a[0].(string)
			payload, _ := a[1].(string)
			return nil, s.notify(channel, payload)
		})
	add("pg_sleep", of(types.Float8OID), types.VoidOID, func(ctx context.Context, _ *Session, a []any) (any, error) {
		seconds, ok := a[0].(float64)
		if !ok || seconds <= 0 {
			return nil, nil
		}
		timer := time.NewTimer(time.Duration(min(seconds, 1e9) * float64(time.Second)))
		defer timer.Stop()
		select {
		case <-timer.C:
			return nil, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	})
	add("pg_reload_conf", nil, types.BoolOID, func(context.Context, *Session, []any) (any, error) { return true, nil })
}

// sequenceAt is how far behind its table's OID the OID of a column's sequence lies; the catalog numbers them so.
const sequenceAt = 6144

// sequence finds the identity column behind the OID of its sequence.
func (s *Session) sequence(oid any) (*db.Table, int, error) {
	n, _ := oid.(int64)
	for _, t := range s.batch().Tables() {
		base := int64(catalog.TableOID(t.ID)) + sequenceAt
		for j, c := range t.Columns {
			if c.Identity != db.NoIdentity && base+int64(c.ID) == n {
				return t, j, nil
			}
		}
	}
	return nil, 0, types.Errorf(types.CodeUndefinedTable, "there is no sequence with OID %d", n)
}

func sequenceName(t *db.Table, column int) string {
	return t.Name + "_" + t.Columns[column].Name + "_seq"
}

func addSequences(add addFunction) {
	add("nextval", of(types.RegclassOID), types.Int8OID, func(_ context.Context, s *Session, a []any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		t, j, err := s.sequence(a[0])
		if err != nil {
			return nil, err
		}
		v, err := s.engine.db.NextIdentity(t, j)
		s.noteSequence(t, j, v)
		return v, err
	})
	add("currval", of(types.RegclassOID), types.Int8OID, func(_ context.Context, s *Session, a []any) (any, error) {
		if a[0] == nil {
			return nil, nil
		}
		t, j, err := s.sequence(a[0])
		if err != nil {
			return nil, err
		}
		v, ok := s.sequences[sequenceID{t.ID, t.Columns[j].ID}]
		if !ok {
			return nil, types.Errorf(types.CodeObjectNotInPrerequisiteState, "currval of sequence %q is not yet defined in this session", sequenceName(t, j))
		}
		return v, nil
	})
	add("lastval", nil, types.Int8OID, func(_ context.Context, s *Session, _ []any) (any, error) {
		if s.sequences == nil {
			return nil, types.Errorf(types.CodeObjectNotInPrerequisiteState, "lastval is not yet defined in this session")
		}
		return s.lastSequence, nil
	})
	setval := func(_ context.Context, s *Session, a []any) (any, error) {
		if a[0] == nil || a[1] == nil {
			return nil, nil
		}
		t, j, err := s.sequence(a[0])
		if err != nil {
			return nil, err
		}
		v := a[1].(int64)
		next := v + 1
		if len(a) == 3 {
			if called, ok := a[2].(bool); ok && !called {
				next = v
			}
		}
		s.noteSequence(t, j, v)
		return v, s.engine.db.SetIdentity(t, j, next)
	}
	add("setval", of(types.RegclassOID, types.Int8OID), types.Int8OID, setval)
	add("setval", of(types.RegclassOID, types.Int8OID, types.BoolOID), types.Int8OID, setval)
}

// sequenceID names an identity column.
type sequenceID struct {
	table  db.TableID
	column uint32
}

// noteSequence remembers a value for currval and lastval.
func (s *Session) noteSequence(t *db.Table, column int, v int64) {
	if s.sequences == nil {
		s.sequences = map[sequenceID]int64{}
	}
	s.sequences[sequenceID{t.ID, t.Columns[column].ID}] = v
	s.lastSequence = v
}

// addSizes adds the functions that tell how large things are.
func addSizes(add addFunction, constant func(names string, args []types.Type, returns uint32, v any)) {
	size := func(_ context.Context, s *Session, a []any) (any, error) { return s.relationSize(a[0]) }
	add("pg_relation_size pg_table_size pg_total_relation_size", of(types.RegclassOID), types.Int8OID, size)
	add("pg_relation_size", of(types.RegclassOID, types.TextOID), types.Int8OID, size)
	constant("pg_indexes_size", of(types.RegclassOID), types.Int8OID, int64(0))
	whole := func(_ context.Context, s *Session, _ []any) (any, error) {
		st := s.engine.db.Stats()
		return st.SegmentBytes + st.HeadBytes, nil
	}
	add("pg_database_size", of(types.OidOID), types.Int8OID, whole)
	add("pg_database_size", of(types.NameOID), types.Int8OID, whole)
	add("pg_tablespace_size", of(types.OidOID), types.Int8OID, whole)
	constant("pg_relation_filepath", of(types.RegclassOID), types.TextOID, nil)
	constant("pg_relation_filenode", of(types.RegclassOID), types.OidOID, int64(0))
	constant("pg_stat_get_tuples_returned pg_stat_get_tuples_inserted pg_stat_get_dead_tuples", of(types.OidOID), types.Int8OID, int64(0))
	add("pg_stat_get_live_tuples", of(types.OidOID), types.Int8OID, func(ctx context.Context, s *Session, a []any) (any, error) {
		if t := s.tableOID(a[0]); t != nil {
			return s.batch().Count(ctx, t)
		}
		return int64(0), nil
	})
}

func (s *Session) tableOID(oid any) *db.Table {
	n, _ := oid.(int64)
	for _, t := range s.batch().Tables() {
		if int64(catalog.TableOID(t.ID)) == n {
			return t
		}
	}
	return nil
}

// relationSize counts the bytes of a table's Parquet files.
func (s *Session) relationSize(oid any) (any, error) {
	if oid == nil {
		return nil, nil
	}
	t := s.tableOID(oid)
	if t == nil {
		return int64(0), nil
	}
	view, err := s.batch().View(t)
	if err != nil {
		return nil, err
	}
	total := int64(0)
	for _, seg := range view.Segments {
		info, err := os.Stat(seg.Path)
		if err != nil {
			return nil, err
		}
		total += info.Size()
	}
	return total, nil
}

// locks are the advisory locks of all sessions.
type locks struct {
	mu   sync.Mutex
	held map[int64]*advisory
}

// advisory is one lock: any number share it, or one session has it alone. A session may take it several times.
type advisory struct {
	alone  *Session
	times  int
	shared map[*Session]int
	freed  chan struct{} // closed when somebody lets go
}

// try takes a lock if it is free for the session; otherwise it gives a channel that is closed when somebody lets go.
func (l *locks) try(s *Session, key int64, shared bool) (bool, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.held == nil {
		l.held = map[int64]*advisory{}
	}
	a := l.held[key]
	if a == nil {
		a = &advisory{shared: map[*Session]int{}, freed: make(chan struct{})}
		l.held[key] = a
	}
	others := len(a.shared)
	if a.shared[s] > 0 {
		others--
	}
	switch {
	case a.alone != nil && a.alone != s, !shared && others > 0:
		return false, a.freed
	case shared:
		a.shared[s]++
	default:
		a.alone = s
		a.times++
	}
	return true, nil
}

func (l *locks) release(s *Session, key int64, shared bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.held[key]
	switch {
	case a == nil || shared && a.shared[s] == 0 || !shared && a.alone != s:
		return false
	case shared:
		if a.shared[s]--; a.shared[s] == 0 {
			delete(a.shared, s)
		}
	default:
		if a.times--; a.times == 0 {
			a.alone = nil
		}
	}
	l.settle(key, a)
	return true
}

func (l *locks) settle(key int64, a *advisory) {
	close(a.freed)
	a.freed = make(chan struct{})
	if a.alone == nil && len(a.shared) == 0 {
		delete(l.held, key)
	}
}

func (l *locks) releaseAll(s *Session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, a := range l.held {
		if a.alone != s && a.shared[s] == 0 {
			continue
		}
		if a.alone == s {
			a.alone, a.times = nil, 0
		}
		delete(a.shared, s)
		l.settle(key, a)
	}
}

// lock waits for a lock until the statement ends or lock_timeout passes.
func (s *Session) lock(ctx context.Context, key int64, shared bool) error {
	var timeout <-chan time.Time
	if ms := s.settingInt("lock_timeout"); ms > 0 {
		timer := time.NewTimer(time.Duration(ms) * time.Millisecond)
		defer timer.Stop()
		timeout = timer.C
	}
	for {
		ok, freed := s.engine.locks.try(s, key, shared)
		if ok {
			return nil
		}
		select {
		case <-freed:
		case <-timeout:
			return types.Errorf(types.CodeLockNotAvailable, "canceling statement due to lock timeout")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

func addLocks(add addFunction) {
	int8 := of(types.Int8OID)
	take := func(shared, txn bool) func(ctx context.Context, s *Session, a []any) (any, error) {
		return func(ctx context.Context, s *Session, a []any) (any, error) {
			key, ok := a[0].(int64)
			if !ok {
				return nil, nil
			}
			err := s.lock(ctx, key, shared)
			if err == nil && txn {
				s.txn.locks = append(s.txn.locks, heldLock{key, shared})
			}
			return nil, err
		}
	}
	try := func(shared, txn bool) func(ctx context.Context, s *Session, a []any) (any, error) {
		return func(_ context.Context, s *Session, a []any) (any, error) {
			key, ok := a[0].(int64)
			if !ok {
				return nil, nil
			}
			took, _ := s.engine.locks.try(s, key, shared)
			if took && txn {
				s.txn.locks = append(s.txn.locks, heldLock{key, shared})
			}
			return took, nil
		}
	}
	free := func(shared bool) func(ctx context.Context, s *Session, a []any) (any, error) {
		return func(_ context.Context, s *Session, a []any) (any, error) {
			key, ok := a[0].(int64)
			if !ok {
				return nil, nil
			}
			if !s.engine.locks.release(s, key, shared) {
				s.warn(types.CodeWarning, "you don't own a lock of type %s", map[bool]string{true: "ShareLock", false: "ExclusiveLock"}[shared])
				return false, nil
			}
			return true, nil
		}
	}
	add("pg_advisory_lock", int8, types.VoidOID, take(false, false))
	add("pg_advisory_lock_shared", int8, types.VoidOID, take(true, false))
	add("pg_advisory_xact_lock", int8, types.VoidOID, take(false, true))
	add("pg_advisory_xact_lock_shared", int8, types.VoidOID, take(true, true))
	add("pg_try_advisory_lock", int8, types.BoolOID, try(false, false))
	add("pg_try_advisory_lock_shared", int8, types.BoolOID, try(true, false))
	add("pg_try_advisory_xact_lock", int8, types.BoolOID, try(false, true))
	add("pg_advisory_unlock", int8, types.BoolOID, free(false))
	add("pg_advisory_unlock_shared", int8, types.BoolOID, free(true))
	add("pg_advisory_unlock_all", nil, types.VoidOID, func(_ context.Context, s *Session, _ []any) (any, error) {
		s.engine.locks.releaseAll(s)
		return nil, nil
	})
}

// heldLock is an advisory lock that the end of the transaction frees.
type heldLock struct {
	key    int64
	shared bool
}
