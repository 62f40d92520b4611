package duck

import (
	"fmt"
	"time"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// Result is a stream of chunks. It holds its connection until it has been read to the end or closed.
type Result struct {
	x     *execution // nil when the stream has ended
	res   mapping.Result
	cols  []Column
	chunk Chunk
	err   error
}

// Chunk is up to ChunkRows rows, column by column. It is valid until the next Next or Close.
type Chunk struct {
	h    mapping.DataChunk
	rows int
	cols []Vector
}

// ChunkRows is the most rows a chunk has.
const ChunkRows = 2048

// Rows is the number of rows, at least 1 in a chunk from Next.
func (c *Chunk) Rows() int { return c.rows }

// Col is the j-th column.
func (c *Chunk) Col(j int) *Vector { return &c.cols[j] }

func (r *Result) describe() error {
	n := mapping.ColumnCount(&r.res)
	for j := mapping.IdxT(0); j < n; j++ {
		c := Column{Name: mapping.ColumnName(&r.res, j), Type: takeType(mapping.ColumnLogicalType(&r.res, j))}
		if c.Type.has(func(t *Type) bool { return t.width() == 0 && !nested(t.ID) }) {
			return &Error{Kind: NotImplemented, Message: fmt.Sprintf("column %q has the type %s, which has no form here; cast it", c.Name, c.Type)}
		}
		r.cols = append(r.cols, c)
	}
	r.chunk.cols = make([]Vector, len(r.cols))
	return nil
}

func nested(id TypeID) bool { return id == ArrayID || id == StructID || id == UnionID }

// Columns are the columns, with known types.
func (r *Result) Columns() []Column { return r.cols }

// Next gives the next chunk, nil at the end. It invalidates the chunk before. After an error or the end the connection
// is free again.
func (r *Result) Next() (*Chunk, error) {
	if r.x == nil {
		return nil, r.err
	}
	mapping.DestroyDataChunk(&r.chunk.h)
	if r.x.ctx.Err() != nil {
		return nil, r.fail(&Error{Kind: Interrupt, Message: "Interrupted!", Cause: causeOf(r.x.ctx)})
	}
	r.chunk.h = mapping.FetchChunk(r.res)
	if r.chunk.h.Ptr == nil {
		if msg := mapping.ResultError(&r.res); msg != "" {
			return nil, r.fail(r.x.wrap(kindOf(mapping.ResultErrorType(&r.res)), msg))
		}
		r.finish(false)
		return nil, nil
	}
	r.chunk.rows = int(mapping.DataChunkGetSize(r.chunk.h))
	if r.chunk.rows == 0 {
		r.finish(false)
		return nil, nil
	}
	for j := range r.cols {
		r.chunk.cols[j].attach(mapping.DataChunkGetVector(r.chunk.h, mapping.IdxT(j)), &r.cols[j].Type, r.chunk.rows)
	}
	return &r.chunk, nil
}

func (r *Result) fail(err error) error {
	r.err = err
	r.finish(true)
	return err
}

// closePatience is how long closing a stream waits for callbacks before their context is cancelled.
const closePatience = 20 * time.Millisecond

// finish frees DuckDB's side. early says that the stream may still be running: DuckDB goes on filling an abandoned stream's
// buffer and keeps its scans open until the connection is used again, so it is used at once.
func (r *Result) finish(early bool) {
	if r.x == nil {
		return
	}
	mapping.DestroyDataChunk(&r.chunk.h)
	if early {
		// Callbacks that are at work may finish their chunk: an error would abort the connection's transaction. Those that
		// wait are told that nobody listens any more.
		x := r.x
		patience := time.AfterFunc(closePatience, func() { x.cancel(ErrClosed) })
		defer patience.Stop()
	}
	mapping.DestroyResult(&r.res)
	if early {
		r.x.conn.settle()
	}
	r.x.end()
	r.x = nil
}

// settle makes DuckDB let go of the statement that ran last.
func (c *Conn) settle() {
	var ps mapping.PreparedStatement
	mapping.Prepare(c.h, "SELECT 1", &ps)
	mapping.DestroyPrepare(&ps)
}

// Close ends the stream, wherever it is, and frees the connection. It may be called again.
func (r *Result) Close() error {
	if r.x != nil {
		r.err = fmt.Errorf("duck: result: %w", ErrClosed)
	}
	r.finish(true)
	return nil
}
