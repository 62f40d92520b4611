package db

import (
	"context"

	"github.com/RoaringBitmap/roaring/v2"

	"engram/db/internal/segment"
)

// Reader is one consistent view of a database: a *Snapshot, or a *Batch, which also reads its own writes.
// A nil want means all columns; the Row then has a value for each column of the table, else one for each wanted position,
// in the order of want. Values are the caller's to keep but not to change.
type Reader interface {
	Tables() []*Table
	Schemas() []string
	Table(schema, name string) (*Table, error)
	TableByID(id TableID) (*Table, error)
	Get(ctx context.Context, t *Table, id RowID, want []int) (Row, error)
	Lookup(ctx context.Context, t *Table, unique int, key []any) (RowID, bool, error)
	Scan(ctx context.Context, t *Table, want []int, f func(id RowID, r Row) error) error
	Search(ctx context.Context, t *Table, q Query) ([]Hit, error)
	View(t *Table) (*TableView, error)
	Count(ctx context.Context, t *Table) (int64, error)
	Setting(key string) ([]byte, bool, error)
	Settings(prefix string) ([]string, error)
}

// TableView is where the rows of a table lie at one snapshot. It lives as long as its Reader.
type TableView struct {
	Table    *Table
	Segments []SegmentView

	head func(ctx context.Context, want []int, f func(id RowID, r Row) error) error
}

// SegmentView is one settled part of a table.
type SegmentView struct {
	ID          uint64
	Path        string            // absolute path of the Parquet file
	Rows        int               // rows in the file, dead ones included
	Dead        *roaring.Bitmap   // positions of dead rows, nil or empty for none; read-only
	Columns     map[uint32]string // column ID to Parquet column; an absent one reads Column.Missing
	RowIDColumn string

	seg *segment.Segment
}

// Head calls f for the rows that are in no segment: the head's and the batch's own.
func (v *TableView) Head(ctx context.Context, want []int, f func(id RowID, r Row) error) error {
	return v.head(ctx, want, f)
}
