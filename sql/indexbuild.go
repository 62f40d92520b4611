package sql

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// progressEvery is how often a client hears how far an index is.
const progressEvery = 5 * time.Second

// settleFrom is from how many unsettled rows on CREATE INDEX settles a table first: only settled rows are indexed.
const settleFrom = 1000

// outsideBlock answers 25001 inside of a transaction block.
func (s *Session) outsideBlock(command string) error {
	if s.txn.state == txnBlock {
		return types.Errorf(types.CodeActiveSQLTransaction, "%s cannot run inside a transaction block", command)
	}
	return nil
}

// buildIndexes waits until the indexes that a transaction made are built. Where the wait ends early the index is there all the
// same, the background goes on, and searches compare every row meanwhile: what else the transaction did is committed. A CREATE INDEX that
// was alone in its transaction is undone when it is cancelled, and the error says so.
func (s *Session) buildIndexes(ctx context.Context, builds []indexBuild, alone bool) error {
	for _, b := range builds {
		err := s.settle(ctx, b.table)
		if err == nil {
			err = s.watched(ctx, b.name, func(ctx context.Context, progress func(done, total int64)) error {
				return s.engine.db.BuildIndexes(ctx, b.table, progress)
			})
		}
		switch {
		case err == nil || errors.Is(err, db.ErrTableNotFound):
		case alone && ctx.Err() != nil:
			return firstError(s.forgetIndex(context.WithoutCancel(ctx), b), causeOf(ctx, err))
		case errors.Is(err, db.ErrIndexMemory):
			s.warn(types.CodeSuccessfulCompletion, "index %q is not built, every row is compared: %v", b.name, err)
		default:
			s.warn(types.CodeSuccessfulCompletion, "index %q is not complete yet and is built in the background: %v", b.name, causeOf(ctx, err))
		}
	}
	return nil
}

// forgetIndex takes back an index that has just been made.
func (s *Session) forgetIndex(ctx context.Context, build indexBuild) (err error) {
	for range maxReplays {
		if err = s.tryForgetIndex(ctx, build); !errors.Is(err, db.ErrConflict) {
			return err
		}
	}
	return err
}

func (s *Session) tryForgetIndex(ctx context.Context, build indexBuild) error {
	b := s.engine.db.NewBatch(nil)
	defer b.Close()
	t, err := b.TableByID(build.table)
	if errors.Is(err, db.ErrTableNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	n := t.Clone()
	n.Indexes = slices.DeleteFunc(n.Indexes, func(v db.VectorIndex) bool { return v.Name == build.name })
	if len(n.Indexes) == len(t.Indexes) {
		return nil
	}
	if _, err := b.AlterTable(ctx, n); err != nil {
		return err
	}
	if err := b.SetSetting(indexKey(t.Schema, build.name), nil); err != nil {
		return err
	}
	return b.Commit(ctx)
}

// settle moves the rows of a table that are in no segment into one, when there are many.
func (s *Session) settle(ctx context.Context, id db.TableID) error {
	r := s.engine.db.NewBatch(nil)
	defer r.Close()
	t, err := r.TableByID(id)
	if err != nil {
		return err
	}
	view, err := r.View(t)
	if err != nil {
		return err
	}
	if headSize(r, view) < settleFrom {
		return nil
	}
	return s.engine.db.Seal(ctx, id)
}

// watched runs a build and tells the client now and then how far it is.
func (s *Session) watched(ctx context.Context, name string, build func(context.Context, func(done, total int64)) error) error {
	var done, total atomic.Int64
	ended := make(chan error, 1)
	go func() {
		ended <- build(ctx, func(d, t int64) {
			done.Store(d)
			total.Store(t)
		})
	}()
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case <-tick.C:
			if t := total.Load(); t > 0 {
				s.note("building index %q: %d of %d vectors", name, done.Load(), t)
			}
		}
	}
}

// reindex runs REINDEX. Keys need none; a vector index is built anew beside the old one.
func (s *Session) reindex(ctx context.Context, u *plan.Reindex) error {
	if u.Concurrently {
		if err := s.outsideBlock("REINDEX CONCURRENTLY"); err != nil {
			return err
		}
	}
	switch u.Kind {
	case plan.ObjectIndex:
		return s.reindexNamed(ctx, u.Name)
	case plan.ObjectTable:
		rel, err := s.resolve(s.batch(), u.Name.Schema, u.Name.Name)
		if err != nil {
			return err
		}
		t, ok := tableOf(rel)
		switch {
		case rel == nil:
			return indexNotFound(u.Name)
		case !ok:
			return types.Errorf(types.CodeWrongObjectType, "%q is not a table or materialized view", u.Name.Name)
		}
		return s.reindexTable(ctx, t)
	case plan.ObjectSchema:
		if !slices.Contains(s.batch().Schemas(), u.Name.Name) {
			return types.Errorf(types.CodeInvalidSchemaName, "schema %q does not exist", u.Name.Name)
		}
	}
	if err := s.outsideBlock("REINDEX " + map[plan.ObjectKind]string{plan.ObjectSchema: "SCHEMA"}[u.Kind]); err != nil {
		return err
	}
	for _, t := range s.batch().Tables() {
		if u.Kind == plan.ObjectSchema && t.Schema != u.Name.Name {
			continue
		}
		if err := s.reindexTable(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

func (s *Session) reindexTable(ctx context.Context, t *db.Table) error {
	for _, v := range t.Indexes {
		if err := s.rebuild(ctx, t, v.Name); err != nil {
			return err
		}
	}
	var names []string
	err := s.eachRecorded(t.ID, func(_, name string, _ *storedIndex) error {
		names = append(names, name)
		return nil
	})
	for _, name := range names {
		if err == nil {
			err = s.adopt(t.ID, t.Schema, name)
		}
	}
	return err
}

// rebuild builds one vector index anew.
func (s *Session) rebuild(ctx context.Context, t *db.Table, name string) error {
	if err := s.settle(ctx, t.ID); err != nil {
		return err
	}
	return s.watched(ctx, name, func(ctx context.Context, progress func(done, total int64)) error {
		return s.engine.db.Reindex(ctx, t.ID, name, progress)
	})
}

func (s *Session) reindexNamed(ctx context.Context, name plan.Name) error {
	for _, schema := range s.indexSchemas(name) {
		if t, i := s.vectorIndex(schema, name.Name); i >= 0 {
			return s.rebuild(ctx, t, name.Name)
		}
		x, ok, err := s.findIndex(schema, name.Name)
		if err != nil {
			return err
		}
		if ok {
			return s.adopt(x.Table, schema, name.Name)
		}
		for _, t := range s.batch().Tables() {
			if t.Schema == schema && slices.ContainsFunc(t.Uniques, func(q db.Unique) bool { return q.Name == name.Name }) {
				return nil
			}
		}
	}
	return indexNotFound(name)
}

// adopt makes a real index of one that an older version only recorded. Other recorded indexes stay what they are.
func (s *Session) adopt(id db.TableID, schema, name string) error {
	x, ok, err := s.findIndex(schema, name)
	if err != nil || !ok {
		return err
	}
	if _, vector := indexKinds[x.Method]; !vector || len(x.Columns) != 1 {
		return nil
	}
	t, err := s.batch().TableByID(id)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(t.Indexes, func(v db.VectorIndex) bool { return v.Name == name }) {
		return nil
	}
	u := &plan.CreateIndex{Method: x.Method}
	at := slices.IndexFunc(t.Columns, func(c db.Column) bool { return c.ID == x.Columns[0] })
	class := x.OpClass
	if class == "" && at >= 0 {
		class = className(t.Columns[at].Type.Kind, db.L2)
	}
	u.Columns = []plan.IndexColumn{{Column: at, OpClass: class}}
	for _, p := range x.Order {
		u.Parameters = append(u.Parameters, plan.Parameter{Name: p, Value: x.Parameters[p]})
	}
	v, err := vectorIndexOf(t, u)
	if err != nil {
		return fmt.Errorf("index %q: %w", name, err)
	}
	v.Name, x.OpClass = name, class
	return s.addVectorIndex(t, v, x)
}
