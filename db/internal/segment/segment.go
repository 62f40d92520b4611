package segment

import (
	"context"
	"errors"
	"log/slog"

	"github.com/RoaringBitmap/roaring/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/db/internal/row"
)

// RowIDColumn is the name of the first Parquet column: the RowID as a signed 64-bit integer.
const RowIDColumn = "__engram_rowid"

// ErrCorrupt is wrapped by every error about bytes that are not what a writer of this package left; the error names the file.
var ErrCorrupt = errors.New("segment: corrupt file")

// Source yields rows in ascending RowID order. Next returns io.EOF after the last row. The values are in schema order and
// may be reused by the source after the following call of Next.
type Source interface {
	Next() (id uint64, values []any, err error)
}

// WriteOptions tune Write. Nil means all defaults.
type WriteOptions struct {
	FS            vfs.FS         // file system; default vfs.Default
	RowGroupRows  int            // most rows in one row group; default 65536
	RowGroupBytes int64          // most bytes of vectors in one row group, all columns together; default 64 MiB
	Progress      func(rows int) // called with the number of rows taken so far, about once per row group; default none
}

// OpenOptions tune Open. Nil means all defaults.
type OpenOptions struct {
	FS     vfs.FS       // file system; default vfs.Default
	Cache  *Cache       // decoded blocks of point reads, shared between segments; default 8 MiB for this segment alone
	Logger *slog.Logger // notices such as a rebuilt sidecar; default slog.Default()
}

// Footer says what a segment holds; Write returns it and Open reads it.
type Footer struct {
	Columns      []row.Column // the columns as written
	Rows         int          // number of rows
	MinID, MaxID uint64       // first and last RowID; both 0 when empty
	GroupRows    int          // rows of every row group but the last
	ParquetBytes int64        // length of the Parquet file
	ParquetSum   uint64       // XXH64 of the whole Parquet file
}

// Segment is an open segment. All methods but Close may be called concurrently; Close may not run beside any other call, and
// everything that aliases the mapped file (VectorColumn, vectors passed to Scan's callback) dies with it.
type Segment struct {
	footer Footer
}

// VectorRun is the vectors of one row group, back to back: those of the rows that have one, in row order.
type VectorRun struct {
	FirstOrd uint32    // first row of the row group
	Rows     int       // rows in the row group, with and without a vector
	First    int       // dense index of the run's first vector among all vectors of the column
	Count    int       // vectors in the run
	Data     []float32 // Count*Dim values (the rows' own lengths when Dim is 0); aliases the mapped file, read-only
}

// VectorColumn is one vector column of a segment, readable without a copy until the segment is closed.
type VectorColumn struct {
	Dim     int             // elements per vector; 0 when the rows of this segment differ in length
	Rows    int             // rows in the segment
	Count   int             // rows that have a vector
	Present *roaring.Bitmap // ords of rows that have a vector; nil = all of them; read-only
	Runs    []VectorRun     // one per row group, in row order
}

// Index returns the dense index of a row's vector: the number of vectors before it. O(1).
func (v *VectorColumn) Index(ord uint32) (int, bool) { return 0, false }

// Ord returns the row of the i-th vector. O(1) without NULLs, else O(log rows).
func (v *VectorColumn) Ord(i int) uint32 { return 0 }

// At returns the vector of a row, false when it has none or ord is out of range. O(1). The slice aliases the mapped file.
func (v *VectorColumn) At(ord uint32) ([]float32, bool) { return nil, false }

// Nth returns the i-th vector, i in [0, Count). O(1) without NULLs, else O(log runs).
func (v *VectorColumn) Nth(i int) []float32 { return nil }

// Cache keeps decoded blocks for point reads within a byte budget. It may be shared by any number of segments and goroutines.
type Cache struct{ bytes int64 }

// NewCache returns a cache that holds about the given number of bytes.
func NewCache(bytes int64) *Cache { return &Cache{bytes: bytes} }

var errUnfinished = errors.New("segment: not implemented yet")

// Write writes base.parquet and base.rows. Both appear under their names only when complete and synced; on error or cancel
// nothing is left. The RowIDs must ascend.
func Write(ctx context.Context, base string, cols []row.Column, src Source, o *WriteOptions) (*Footer, error) {
	return nil, errUnfinished
}

// Open opens a segment. cols may be nil; otherwise they must be the columns as written. Only cheap checks are made (lengths,
// the sidecar's checksummed index); a missing or broken sidecar is rebuilt from the Parquet file and logged.
func Open(base string, cols []row.Column, o *OpenOptions) (*Segment, error) {
	return nil, errUnfinished
}

// Rebuild writes base.rows anew from base.parquet.
func Rebuild(ctx context.Context, base string, o *OpenOptions) (*Footer, error) {
	return nil, errUnfinished
}

// Remove deletes a segment's files. Files that are not there are no error.
func Remove(fs vfs.FS, base string) error { return errUnfinished }

// Footer says what the segment holds.
func (s *Segment) Footer() *Footer { return &s.footer }

// Rows returns the number of rows, dead ones included.
func (s *Segment) Rows() int { return s.footer.Rows }

// Columns returns the columns as written.
func (s *Segment) Columns() []row.Column { return s.footer.Columns }

// ParquetPath returns the path of the Parquet file.
func (s *Segment) ParquetPath() string { return "" }

// ParquetColumn returns the name of a column in the Parquet file; false when the segment was written before the column existed.
func (s *Segment) ParquetColumn(colID uint32) (name string, ok bool) { return "", false }

// ParquetExact returns the name of the companion text column of a numeric column and how many rows need it: see docs/format.md.
func (s *Segment) ParquetExact(colID uint32) (name string, rows int, ok bool) { return "", 0, false }

// RowIDColumn returns the name of the RowID column in the Parquet file.
func (s *Segment) RowIDColumn() string { return RowIDColumn }

// RowID returns the RowID of a row; ord must be below Rows.
func (s *Segment) RowID(ord uint32) uint64 { return 0 }

// Ord finds a row by its RowID.
func (s *Segment) Ord(id uint64) (uint32, bool) { return 0, false }

// Row reads one row: dst[i] receives the value of column want[i] (nil for NULL). An element whose column did not exist when the
// segment was written is left untouched. The values are the caller's own.
func (s *Segment) Row(ord uint32, want []uint32, dst []any) error { return errUnfinished }

// Scan calls f for each row from ord from on. values is reused and its vectors alias the mapped file: they are valid until f
// returns. An element whose column did not exist is set from absent by the caller: it is the Absent value. An error of f ends the scan.
func (s *Segment) Scan(ctx context.Context, from uint32, want []uint32, f func(ord uint32, id uint64, values []any) error) error {
	return errUnfinished
}

// Absent is the value Scan passes for a column that did not exist when the segment was written.
var Absent any = absent{}

type absent struct{}

// Vectors returns a vector or halfvec column; false when the column is not one or was not there yet.
func (s *Segment) Vectors(colID uint32) (*VectorColumn, bool) { return nil, false }

// Verify reads every byte and checks every checksum.
func (s *Segment) Verify(ctx context.Context) error { return errUnfinished }

// Close releases the mapping and the files.
func (s *Segment) Close() error { return nil }

// Bytes returns the length of all files together.
func (s *Segment) Bytes() int64 { return 0 }

// Files returns the paths of all files.
func (s *Segment) Files() []string { return nil }
