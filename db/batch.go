package db

import "context"

// BatchOptions configure a batch.
type BatchOptions struct {
	ReadOnly bool  // writes answer ErrReadOnly
	MaxBytes int64 // encoded size at which writes answer ErrBatchTooLarge; 0 means 2 GiB
}

// CommitOptions configure a commit.
type CommitOptions struct {
	NoSync bool // do not wait for the log to reach the disk: a crash may lose the commit, never half of it
}

// Batch is an atomic set of writes over one snapshot, which also reads its own writes. One goroutine uses it.
type Batch struct{ Reader }

// Mark is a savepoint of a batch.
type Mark int

// Insert adds rows and returns their RowIDs.
func (b *Batch) Insert(ctx context.Context, t *Table, rows ...Row) ([]RowID, error) {
	return nil, errUnfinished
}

// InsertFields adds rows given by column name.
func (b *Batch) InsertFields(ctx context.Context, t *Table, rows ...Fields) ([]RowID, error) {
	return nil, errUnfinished
}

// Update sets columns, by position, of the row id. A value may be Default.
func (b *Batch) Update(ctx context.Context, t *Table, id RowID, set map[int]any) error {
	return errUnfinished
}

// Delete removes the row id.
func (b *Batch) Delete(ctx context.Context, t *Table, id RowID) error { return errUnfinished }

// CreateTable makes a table and returns its descriptor with IDs filled in.
func (b *Batch) CreateTable(t Table) (*Table, error) { return nil, errUnfinished }

// AlterTable replaces a descriptor: columns and unique keys keep their IDs, those with ID 0 are new, those left out are
// dropped. It verifies what the new descriptor promises of the rows.
func (b *Batch) AlterTable(ctx context.Context, t Table) (*Table, error) { return nil, errUnfinished }

// DropTable removes a table.
func (b *Batch) DropTable(id TableID) error { return errUnfinished }

// Truncate removes all rows of a table.
func (b *Batch) Truncate(id TableID) error { return errUnfinished }

// CreateSchema makes a schema.
func (b *Batch) CreateSchema(name string) error { return errUnfinished }

// DropSchema removes an empty schema.
func (b *Batch) DropSchema(name string) error { return errUnfinished }

// SetSetting stores a small value for an upper layer; a nil value deletes it.
func (b *Batch) SetSetting(key string, value []byte) error { return errUnfinished }

// Mark sets a savepoint.
func (b *Batch) Mark() Mark { return 0 }

// RollbackTo undoes every write since m, which stays valid; marks after it do not.
func (b *Batch) RollbackTo(m Mark) error { return errUnfinished }

// Empty reports whether the batch has written nothing.
func (b *Batch) Empty() bool { return true }

// Refresh moves an empty batch to a snapshot of the last commit.
func (b *Batch) Refresh() error { return errUnfinished }

// Commit applies the writes atomically and closes the batch, whether it succeeds or not.
func (b *Batch) Commit(ctx context.Context, o ...CommitOptions) error { return errUnfinished }

// Close throws an uncommitted batch away; after Commit it does nothing.
func (b *Batch) Close() error { return nil }
