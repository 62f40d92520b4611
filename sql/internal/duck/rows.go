package duck

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"strings"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// RowsFunction is the name of the table function that scans a Relation: engram_rows('token').
const RowsFunction = "engram_rows"

// Relation is rows of ours that a statement may scan. A statement may scan it several times, at the same time.
type Relation interface {
	// Columns are the columns, at least one, the same at every call. It must be cheap and start no work: DuckDB asks
	// while it binds.
	Columns() []Column
	// Rows is an estimate of the number of rows for the planner, -1 when unknown.
	Rows() int64
	// Scan begins a scan that gives the named columns, in this order; projection is empty when only the number of rows
	// is wanted. ctx ends when the statement ends or is cancelled.
	Scan(ctx context.Context, projection []int) (RelationScan, error)
}

// RelationScan is one scan. Its methods are called one after another, on threads of DuckDB's.
type RelationScan interface {
	// Next writes up to max rows into cols, one for each projected column, and says how many; 0 is the end. max is 2048.
	Next(cols []*Writer, max int) (rows int, err error)
	// Close is called exactly once, when the statement ends, at the latest when its Result is closed.
	Close() error
}

// NewToken makes a token that cannot be guessed.
func NewToken() string { return rand.Text() }

// ScanSQL spells the scan of a token.
func ScanSQL(token string) string { return RowsFunction + "(" + QuoteLiteral(token) + ")" }

func (i *Instance) registerRows(c *Conn) error {
	f := mapping.CreateTableFunction()
	defer mapping.DestroyTableFunction(&f)
	varchar := mapping.CreateLogicalType(mapping.TypeVarchar)
	defer mapping.DestroyLogicalType(&varchar)
	mapping.TableFunctionSetName(f, RowsFunction)
	mapping.TableFunctionAddParameter(f, varchar)
	mapping.TableFunctionSetExtraInfo(f, newHandle(i), dropPtr)
	mapping.TableFunctionSetBind(f, rowsBindPtr)
	mapping.TableFunctionSetInit(f, rowsInitPtr)
	mapping.TableFunctionSetFunction(f, rowsNextPtr)
	mapping.TableFunctionSupportsProjectionPushdown(f, true)
	if mapping.RegisterTableFunction(c.h, f) != mapping.StateSuccess {
		return fmt.Errorf("duck: cannot register %s", RowsFunction)
	}
	return nil
}

// rowsBinding is what a bound engram_rows('token') remembers in a plan. The relation itself is looked up again when the
// plan runs, so that a prepared statement sees the rows of its execution.
type rowsBinding struct {
	conn  *Conn
	token string
	cols  []Column
}

func bindRows(x *execution, bi mapping.BindInfo) error {
	if x == nil {
		return fmt.Errorf("duck: %s is bound outside of a statement", RowsFunction)
	}
	token := mapping.BindGetParameter(bi, 0)
	defer mapping.DestroyValue(&token)
	if token.Ptr == nil || mapping.IsNullValue(token) {
		return ErrNoRelation
	}
	b := &rowsBinding{conn: x.conn, token: mapping.GetVarchar(token)}
	r, err := b.conn.relation(b.token)
	if err != nil {
		return err
	}
	b.cols = append([]Column(nil), r.Columns()...)
	if len(b.cols) == 0 {
		return fmt.Errorf("duck: a relation needs at least one column")
	}
	objects := make([]mapping.LogicalType, 0, len(b.cols))
	defer func() {
		for k := range objects {
			mapping.DestroyLogicalType(&objects[k])
		}
	}()
	for k := range b.cols {
		if b.cols[k].Name == "" || strings.ContainsRune(b.cols[k].Name, 0) || !writable(&b.cols[k].Type) {
			return fmt.Errorf("duck: column %q cannot have type %s", b.cols[k].Name, b.cols[k].Type)
		}
		lt, err := b.cols[k].Type.logical()
		if err != nil {
			return err
		}
		objects = append(objects, lt)
	}
	for k := range objects {
		mapping.BindAddResultColumn(bi, b.cols[k].Name, objects[k])
	}
	if n := r.Rows(); n >= 0 {
		mapping.BindSetCardinality(bi, mapping.IdxT(n), false)
	}
	mapping.BindSetBindData(bi, newHandle(b), dropPtr)
	return nil
}

// writable reports whether a Writer can fill a column of this type.
func writable(t *Type) bool {
	return !t.has(func(u *Type) bool {
		return u.ID == InvalidID || u.ID == AnyID || u.ID == UnionID || u.width() == 0 && !nested(u.ID)
	})
}

// rowsScan is a running scan.
type rowsScan struct {
	exec  *execution
	scan  RelationScan
	pos   []int // where in the chunk each projected column stands
	types []*Type
	cols  []Writer
	ptrs  []*Writer
}

func initRows(x *execution, b *rowsBinding, ii mapping.InitInfo) error {
	if x == nil || x.preparing {
		return fmt.Errorf("duck: %s runs outside of a statement", RowsFunction)
	}
	r, err := b.conn.relation(b.token)
	if err != nil {
		return err
	}
	if !sameColumns(b.cols, r.Columns()) {
		return ErrRelationChanged
	}
	s := &rowsScan{exec: x}
	var projection []int
	for k := range int(mapping.InitGetColumnCount(ii)) {
		// DuckDB asks for a column that does not exist when it only wants to count rows.
		j := uint64(mapping.InitGetColumnIndex(ii, mapping.IdxT(k)))
		if j >= uint64(len(b.cols)) {
			continue
		}
		s.pos, projection = append(s.pos, k), append(projection, int(j))
		s.types = append(s.types, &b.cols[j].Type)
	}
	s.cols, s.ptrs = make([]Writer, len(s.pos)), make([]*Writer, len(s.pos))
	for k := range s.cols {
		s.ptrs[k] = &s.cols[k]
	}
	if s.scan, err = r.Scan(x.ctx, projection); err != nil {
		return err
	}
	mapping.InitSetMaxThreads(ii, 1)
	mapping.InitSetInitData(ii, newHandle(s), dropPtr)
	return nil
}

func sameColumns(a, b []Column) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if a[k].Name != b[k].Name || !a[k].Type.Equal(b[k].Type) {
			return false
		}
	}
	return true
}

// next fills one chunk.
func (s *rowsScan) next(out mapping.DataChunk) error {
	if s.exec.ctx.Err() != nil {
		return causeOf(s.exec.ctx)
	}
	var first error
	for k := range s.cols {
		s.cols[k].attach(mapping.DataChunkGetVector(out, mapping.IdxT(s.pos[k])), s.types[k], ChunkRows, &first)
	}
	n, err := s.scan.Next(s.ptrs, ChunkRows)
	if err != nil {
		return err
	}
	if n < 0 || n > ChunkRows || n > math.MaxInt32 {
		return fmt.Errorf("duck: a relation gave %d rows where at most %d were asked for", n, ChunkRows)
	}
	for k := range s.cols {
		if err := s.cols[k].finish(); err != nil {
			return err
		}
	}
	mapping.DataChunkSetSize(out, mapping.IdxT(n))
	return nil
}

// closeHandle is called when DuckDB frees the scan.
func (s *rowsScan) closeHandle() { _ = s.scan.Close() }
