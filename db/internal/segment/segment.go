package segment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sort"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/db/internal/row"
)

// RowIDColumn is the name of the first Parquet column: the RowID as a signed 64-bit integer.
const RowIDColumn = "__engram_rowid"

// ErrCorrupt is wrapped by every error about bytes that are not what a writer of this package left; the error names the file.
var ErrCorrupt = errors.New("segment: corrupt file")

// errMismatch is not mended by a rebuild at Open: a whole sidecar is better evidence of what was written than the other file.
var errMismatch = fmt.Errorf("%w: it is not the file that its row sidecar was written with", ErrCorrupt)

// OpenOptions tune Open. Nil means all defaults.
type OpenOptions struct {
	FS     vfs.FS       // file system; default vfs.Default
	Cache  *Cache       // decoded blocks of point reads, shared between segments; default 8 MiB for this segment alone
	Logger *slog.Logger // notices such as a rebuilt sidecar; default slog.Default()
}

func (o *OpenOptions) withDefaults() OpenOptions {
	opts := OpenOptions{}
	if o != nil {
		opts = *o
	}
	if opts.FS == nil {
		opts.FS = vfs.Default
	}
	if opts.Cache == nil {
		opts.Cache = NewCache(defaultCacheBytes)
	}
	if opts.Logger == nil {
		opts.Logger = slog.Default()
	}
	return opts
}

// Segment is an open segment. All methods but Close may be called concurrently; Close may not run beside any other call, and
// everything that aliases the mapped file (VectorColumn, vectors passed to Scan's callback) dies with it.
type Segment struct {
	base    string
	layout  *layout
	ix      *index
	parquet *mapping
	rows    vfs.File
	size    int64 // of the sidecar
	cache   *Cache
	number  uint64
	ids     idList
	columns map[uint32]columnPlace
	vectors []*VectorColumn
}

// columnPlace says where a column's values are.
type columnPlace struct {
	scalar int // position among the sidecar's columns, -1 for a vector
	vector int // position among the vector columns
}

// Open opens a segment. cols may be nil; otherwise they must be the columns as written. Only cheap checks are made (lengths,
// the sidecar's checksummed index, the Parquet footer's checksum); a missing or broken sidecar is rebuilt from the Parquet file
// and logged. A whole sidecar that disagrees with the Parquet file is an error. Errors about the Parquet file wrap ErrCorrupt or the file system's error.
func Open(base string, cols []row.Column, o *OpenOptions) (*Segment, error) {
	opts := o.withDefaults()
	m, err := openMapping(opts.FS, parquetPath(base))
	if err != nil {
		return nil, err
	}
	s := &Segment{base: base, parquet: m, cache: opts.Cache}
	if err := s.open(cols, opts); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Segment) open(cols []row.Column, opts OpenOptions) error {
	err := s.openRows(opts.FS)
	if errors.Is(err, errMismatch) {
		return err
	}
	if err != nil {
		if s.rows != nil {
			s.rows.Close()
			s.rows = nil
		}
		opts.Logger.Warn("rebuilding a row sidecar from its Parquet file", "file", rowsPath(s.base), "reason", err)
		if err := rebuild(context.Background(), s.base, s.parquet.data, opts.FS); err != nil {
			return err
		}
		if err := s.openRows(opts.FS); err != nil {
			return err
		}
	}
	if cols != nil && !slices.Equal(cols, s.ix.footer.Columns) {
		return fmt.Errorf("segment: %s: its columns are not those asked for", parquetPath(s.base))
	}
	if s.layout, err = newLayout(s.ix.footer.Columns); err != nil {
		return err
	}
	s.number = s.cache.nextID.Add(1)
	s.ids = newIDList(s.ix.ids)
	s.ix.ids = nil
	s.columns = map[uint32]columnPlace{}
	for i, c := range s.layout.scalar {
		s.columns[c.ID] = columnPlace{scalar: i}
	}
	for i, v := range s.ix.vectors {
		s.columns[v.col] = columnPlace{scalar: -1, vector: i}
		s.vectors = append(s.vectors, newVectorColumn(v, s.ix.groups, s.Rows(), s.parquet.data))
	}
	return nil
}

// openRows opens the sidecar and checks that it belongs to the Parquet file.
func (s *Segment) openRows(fs vfs.FS) error {
	path := rowsPath(s.base)
	f, err := fs.Open(path, vfs.RandomReadsOption)
	if err != nil {
		return err
	}
	s.rows = f
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("segment: %s: %w", path, err)
	}
	s.size = st.Size()
	if s.ix, err = readIndex(f, s.size); err != nil {
		return fmt.Errorf("segment: %s: %w", path, err)
	}
	data := s.parquet.data
	if int64(len(data)) != s.ix.footer.ParquetBytes || xxhash.Sum64(data[int64(len(data))-s.ix.footerLen:]) != s.ix.footerSum {
		return fmt.Errorf("segment: %s: %w", parquetPath(s.base), errMismatch)
	}
	return nil
}

// Close releases the mapping, the files and the cached blocks.
func (s *Segment) Close() error {
	var errs []error
	s.cache.forget(s.number)
	if s.rows != nil {
		errs = append(errs, s.rows.Close())
		s.rows = nil
	}
	if s.parquet != nil {
		errs = append(errs, s.parquet.unmap())
		s.parquet, s.vectors = nil, nil
	}
	return errors.Join(errs...)
}

// Footer says what the segment holds.
func (s *Segment) Footer() *Footer { return &s.ix.footer }

// Rows returns the number of rows, dead ones included.
func (s *Segment) Rows() int { return s.ix.footer.Rows }

// Columns returns the columns as written.
func (s *Segment) Columns() []row.Column { return s.ix.footer.Columns }

// ParquetPath returns the path of the Parquet file.
func (s *Segment) ParquetPath() string { return parquetPath(s.base) }

// ParquetColumn returns the name of a column in the Parquet file; false when the segment was written before the column existed.
// The name is the column's at the time of writing unless another differs from it in case only. For numeric it is the DECIMAL.
func (s *Segment) ParquetColumn(colID uint32) (name string, ok bool) {
	for _, f := range s.layout.fields {
		if f.role != roleRowID && f.role != roleExact && s.layout.cols[f.col].ID == colID {
			return f.name, true
		}
	}
	return "", false
}

// ParquetExact returns the name of the companion text column of a numeric column, which holds the exact text of the values that
// the DECIMAL would print otherwise, and in how many rows the DECIMAL is NULL because it cannot be the value at all (NaN,
// infinity, too many digits). false when the column is not numeric or was not there yet.
func (s *Segment) ParquetExact(colID uint32) (name string, unrepresentable int, ok bool) {
	n, ok := s.ix.inexact[colID]
	return exactName(colID), n, ok
}

// RowIDColumn returns the name of the RowID column in the Parquet file.
func (s *Segment) RowIDColumn() string { return RowIDColumn }

// RowID returns the RowID of a row; ord must be below Rows.
func (s *Segment) RowID(ord uint32) uint64 { return s.ids.at(int(ord)) }

// Ord finds a row by its RowID.
func (s *Segment) Ord(id uint64) (uint32, bool) { return s.ids.find(id) }

// Vectors returns a vector or halfvec column; false when the column is not one or was not there yet.
func (s *Segment) Vectors(colID uint32) (*VectorColumn, bool) {
	p, ok := s.columns[colID]
	if !ok || p.scalar >= 0 {
		return nil, false
	}
	return s.vectors[p.vector], true
}

// Bytes returns the length of all files together.
func (s *Segment) Bytes() int64 { return s.ix.footer.ParquetBytes + s.size }

// Files returns the paths of all files.
func (s *Segment) Files() []string { return []string{parquetPath(s.base), rowsPath(s.base)} }

// idList is the RowIDs of a segment, ascending: 4 bytes a row, none when they have no gaps.
type idList struct {
	n     int
	first uint64
	near  []uint32 // differences from first
	far   []uint64 // the RowIDs, when they span too much for near
}

func newIDList(ids []uint64) idList {
	l := idList{n: len(ids)}
	if l.n == 0 {
		return l
	}
	l.first = ids[0]
	span := ids[l.n-1] - l.first
	switch {
	case span == uint64(l.n-1):
	case span < 1<<32:
		l.near = make([]uint32, l.n)
		for i, id := range ids {
			l.near[i] = uint32(id - l.first)
		}
	default:
		l.far = ids
	}
	return l
}

func (l *idList) at(i int) uint64 {
	switch {
	case l.near != nil:
		return l.first + uint64(l.near[i])
	case l.far != nil:
		return l.far[i]
	case i < 0 || i >= l.n:
		panic(fmt.Sprintf("segment: ord %d of %d rows", i, l.n))
	}
	return l.first + uint64(i)
}

func (l *idList) find(id uint64) (uint32, bool) {
	if l.n == 0 || id < l.first {
		return 0, false
	}
	if l.near == nil && l.far == nil {
		return uint32(id - l.first), id-l.first < uint64(l.n)
	}
	i := sort.Search(l.n, func(i int) bool { return l.at(i) >= id })
	return uint32(i), i < l.n && l.at(i) == id
}
