package db

import "context"

// DB is an open database. It is safe for concurrent use.
type DB struct{ dir string }

// Stats says how large a database is.
type Stats struct {
	Tables            int
	HeadRows          int64
	HeadBytes         int64
	SegmentRows       int64 // dead rows included
	DeadRows          int64
	Segments          int
	SegmentBytes      int64
	ArenaBytes        int64
	Snapshots         int
	PendingEmbeddings int
	Commits           uint64
}

var errUnfinished = ErrClosed

// Open opens the database in dir and makes it when there is none.
func Open(dir string, o *Options) (*DB, error) { return nil, errUnfinished }

// Close stops the background work and closes the files. Snapshots and batches still open answer ErrClosed afterwards.
func (d *DB) Close() error { return nil }

// Dir returns the directory given to Open.
func (d *DB) Dir() string { return d.dir }

// SegmentDir returns the absolute directory of the Parquet files.
func (d *DB) SegmentDir() string { return "" }

// Snapshot returns a view of the last commit. It must be closed.
func (d *DB) Snapshot() *Snapshot { return nil }

// NewBatch starts a set of writes over a snapshot of the last commit. It must be committed or closed.
func (d *DB) NewBatch(o *BatchOptions) *Batch { return nil }

// Seal writes the head rows of a table to a segment.
func (d *DB) Seal(ctx context.Context, id TableID) error { return errUnfinished }

// Compact merges the segments of a table and drops their dead rows.
func (d *DB) Compact(ctx context.Context, id TableID) error { return errUnfinished }

// Verify reads everything and checks it.
func (d *DB) Verify(ctx context.Context) error { return errUnfinished }

// Stats returns sizes as of now.
func (d *DB) Stats() Stats { return Stats{} }

// PendingEmbeddings returns how many memories wait for a model.
func (d *DB) PendingEmbeddings() int { return 0 }

// EmbedPending embeds memories that wait for a model and returns how many it did.
func (d *DB) EmbedPending(ctx context.Context) (int, error) { return 0, errUnfinished }

// NextIdentity takes the next value of an identity column, as nextval does; it is never given again.
func (d *DB) NextIdentity(t *Table, column int) (int64, error) { return 0, errUnfinished }

// SetIdentity makes next the value that NextIdentity gives next, as setval does. It is not part of any batch.
func (d *DB) SetIdentity(t *Table, column int, next int64) error { return errUnfinished }

// PeekIdentity returns the value that NextIdentity would give, without taking it.
func (d *DB) PeekIdentity(t *Table, column int) (int64, error) { return 0, errUnfinished }
