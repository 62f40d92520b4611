package sql

import (
	"context"
	"errors"

	"engram/db"
	"engram/sql/types"
)

// txnState is where a session stands between BEGIN and COMMIT.
type txnState uint8

const (
	txnIdle     txnState = iota // no transaction
	txnImplicit                 // one that a statement opened and the end of its segment ends
	txnBlock                    // between BEGIN and COMMIT
	txnFailed                   // a block in which a statement failed: only its end is accepted
)

// savepoint is a named point to go back to.
type savepoint struct {
	name     string
	mark     db.Mark
	settings int
	ddl      int
}

// transaction is the state of a session's transaction.
type transaction struct {
	state      txnState
	batch      *db.Batch // nil until something is read
	isolation  string
	readOnly   bool
	deferrable bool
	ran        int // statements so far; SET TRANSACTION must come before the first query
	savepoints []savepoint
	ddl        int // definitions changed so far: plans made under them are not shared
	replay     *replay
	notify     []notification
	locks      []heldLock
	builds     []indexBuild
	xid        int64 // 0 until it is asked for
	now        int64 // microseconds since 1970: what now() gives throughout the transaction
}

// replay is how the only statement of an implicit transaction is run again after a conflict. run reports whether the
// second run answered what the client was told the first time.
type replay struct {
	run func(ctx context.Context) (same bool, err error)
}

// maxReplays is how often a conflicting implicit transaction is tried again before the client hears of it.
const maxReplays = 5

// Status is the transaction status that ReadyForQuery carries: 'I' idle, 'T' in a transaction block, 'E' in a failed one.
func (s *Session) Status() byte {
	switch s.txn.state {
	case txnBlock:
		return 'T'
	case txnFailed:
		return 'E'
	}
	return 'I'
}

// open makes sure that a transaction is open, an implicit one if need be.
func (s *Session) open() error {
	if s.txn.state == txnIdle {
		s.startTxn(txnImplicit)
	}
	return nil
}

func (s *Session) startTxn(state txnState) {
	isolation, _ := s.settings.get("default_transaction_isolation")
	readOnly, _ := s.settings.get("default_transaction_read_only")
	deferrable, _ := s.settings.get("default_transaction_deferrable")
	s.txn = transaction{state: state, isolation: isolation, readOnly: readOnly == "on", deferrable: deferrable == "on",
		now: s.engine.now().UnixMicro()}
	s.setActivity()
}

// snapshotPerStatement reports whether each statement sees what was committed before it.
func (t *transaction) snapshotPerStatement() bool {
	return t.isolation == "read committed" || t.isolation == "read uncommitted"
}

// batch gives the transaction's batch; it opens one when there is none yet.
func (s *Session) batch() *db.Batch {
	if s.txn.batch == nil {
		s.txn.batch = s.engine.db.NewBatch(nil)
	}
	return s.txn.batch
}

// freshen gives a statement the newest snapshot where the isolation level says so and nothing was written yet. After
// the first write the snapshot stays, because first committer wins is decided against it.
func (s *Session) freshen() error {
	t := &s.txn
	if t.batch == nil || !t.snapshotPerStatement() || !t.batch.Empty() {
		return nil
	}
	if err := s.spoolPortals(); err != nil { // they read the older snapshot
		return err
	}
	return t.batch.Refresh()
}

// mayWrite answers 25006 in a read-only transaction.
func (s *Session) mayWrite(command string) error {
	if s.txn.readOnly {
		return types.Errorf(types.CodeReadOnlySQLTransaction, "cannot execute %s in a read-only transaction", command)
	}
	return nil
}

// begin answers BEGIN and START TRANSACTION.
func (s *Session) begin() {
	switch s.txn.state {
	case txnBlock, txnFailed:
		s.warn(types.CodeActiveSQLTransaction, "there is already a transaction in progress")
	case txnImplicit: // what the same string or segment did before becomes part of the block
		s.txn.state, s.txn.replay = txnBlock, nil
	default:
		s.startTxn(txnBlock)
	}
}

// commitTxn ends the transaction. A failed one is rolled back, and the result says so.
func (s *Session) commitTxn(ctx context.Context) (committed bool, err error) {
	if s.txn.state == txnFailed {
		return false, s.rollbackTxn()
	}
	held, err := s.holdCursors()
	if err == nil {
		err = s.commitBatch(ctx)
	}
	if errors.Is(err, db.ErrConflict) && s.txn.state == txnImplicit && s.txn.replay != nil {
		err = s.replayTxn(ctx)
	}
	if err != nil {
		for _, p := range held {
			p.held = false
		}
		s.rollbackTxn()
		return false, asError(err)
	}
	s.settings.commit()
	pending, builds := s.txn.notify, s.txn.builds
	alone := s.txn.state == txnImplicit && s.txn.ran == 0 && s.txn.ddl <= 1 && len(builds) == 1 && len(pending) == 0
	s.endTxn()
	s.engine.publish(s.pid, pending)
	if err := s.buildIndexes(ctx, builds, alone); err != nil {
		return true, asError(err)
	}
	return true, nil
}

func (s *Session) commitBatch(ctx context.Context) error {
	if s.txn.batch == nil {
		return nil
	}
	s.closePortals()
	b := s.txn.batch
	s.txn.batch = nil
	if b.Empty() {
		return b.Close()
	}
	sync, _ := s.settings.get("synchronous_commit")
	return b.Commit(ctx, db.CommitOptions{NoSync: sync == "off"})
}

// replayTxn runs the only statement of an implicit transaction again over a newer snapshot.
func (s *Session) replayTxn(ctx context.Context) error {
	r := s.txn.replay
	for range maxReplays {
		if err := ctx.Err(); err != nil {
			return err
		}
		same, err := r.run(ctx)
		if err != nil {
			return err
		}
		if !same { // the client was told something else
			return db.ErrConflict
		}
		if err = s.commitBatch(ctx); !errors.Is(err, db.ErrConflict) {
			return err
		}
	}
	return db.ErrConflict
}

// rollbackTxn undoes the transaction.
func (s *Session) rollbackTxn() error {
	s.closePortals()
	var err error
	if s.txn.batch != nil {
		err = s.txn.batch.Close()
	}
	s.settings.rollbackTo(0)
	s.endTxn()
	return err
}

func (s *Session) endTxn() {
	s.closePortals()
	for _, l := range s.txn.locks {
		s.engine.locks.release(s, l.key, l.shared)
	}
	s.txn = transaction{}
	s.setActivity()
}

// fail notes that a statement failed: an implicit transaction is undone at once, a block only when the client ends it.
func (s *Session) fail() {
	switch s.txn.state {
	case txnImplicit:
		s.rollbackTxn()
	case txnBlock:
		s.closePortals()
		s.txn.state = txnFailed
		s.setActivity()
	}
}

// Fail tells the session that an error was reported inside a segment of the extended protocol, by the caller rather
// than by a method of the session: the implicit transaction is undone, a block becomes a failed one.
func (s *Session) Fail() { s.fail() }

func (s *Session) inBlock(command string) error {
	if s.txn.state != txnBlock && s.txn.state != txnFailed {
		return types.Errorf(types.CodeNoActiveSQLTransaction, "%s can only be used in transaction blocks", command)
	}
	return nil
}

func (s *Session) savepoint(name string) error {
	if err := s.inBlock("SAVEPOINT"); err != nil {
		return err
	}
	s.txn.savepoints = append(s.txn.savepoints, savepoint{name, s.batch().Mark(), s.settings.mark(), s.txn.ddl})
	return nil
}

func (s *Session) findSavepoint(name string) (int, error) {
	for i := len(s.txn.savepoints) - 1; i >= 0; i-- {
		if s.txn.savepoints[i].name == name {
			return i, nil
		}
	}
	return 0, types.Errorf(types.CodeInvalidSavepointSpec, "savepoint %q does not exist", name)
}

func (s *Session) release(name string) error {
	if err := s.inBlock("RELEASE SAVEPOINT"); err != nil {
		return err
	}
	i, err := s.findSavepoint(name)
	if err == nil {
		s.txn.savepoints = s.txn.savepoints[:i]
	}
	return err
}

// rollbackTo goes back to a savepoint, which stays. It also brings a failed block back to life.
func (s *Session) rollbackTo(name string) error {
	if err := s.inBlock("ROLLBACK TO SAVEPOINT"); err != nil {
		return err
	}
	i, err := s.findSavepoint(name)
	if err != nil {
		return err
	}
	s.closePortals()
	p := s.txn.savepoints[i]
	if err := s.batch().RollbackTo(p.mark); err != nil {
		return err
	}
	s.settings.rollbackTo(p.settings)
	s.txn.savepoints = s.txn.savepoints[:i+1]
	s.txn.state = txnBlock
	s.txn.ddl++ // a definition made since the savepoint is gone again
	s.setActivity()
	return nil
}

// setIsolation answers SET TRANSACTION ISOLATION LEVEL and the same words in BEGIN.
func (s *Session) setIsolation(level string) error {
	if s.txn.ran > 0 && level != s.txn.isolation {
		return types.Errorf(types.CodeActiveSQLTransaction, "SET TRANSACTION ISOLATION LEVEL must be called before any query")
	}
	s.txn.isolation = level
	return nil
}

// setReadOnly answers SET TRANSACTION READ ONLY and READ WRITE.
func (s *Session) setReadOnly(readOnly bool) error {
	if !readOnly && s.txn.readOnly && s.txn.ran > 0 {
		return types.Errorf(types.CodeActiveSQLTransaction, "transaction read-write mode must be set before any query")
	}
	s.txn.readOnly = readOnly
	return nil
}
