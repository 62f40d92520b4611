package sql

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/apd/v3"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"engram/db"
	"engram/sql/internal/catalog"
	"engram/sql/internal/duck"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// aliveFunction is the scalar function by which a segment's scan leaves dead rows out.
const aliveFunction = "__engram_alive"

// duckRun is one statement on the DuckDB road: what its functions and relations may look at. Functions of ours find it
// in their context.
type duckRun struct {
	session   *Session
	reader    db.Reader
	views     []*db.TableView // by the number that aliveFunction is given
	returning string          // what stands for plan.ReturningRelation

	tuning searchTuning

	only   []near // rows of relation onlyIn that are seen, nil for all
	onlyIn int

	relations  []*plan.Relation // of the statement, the searches inside of it among them
	params     []any
	paramTypes []types.Type
	filters    map[*plan.RowFilter]*roaring64.Bitmap // guarded by mu

	exprEnv plan.Env // for functions of the analyser

	mu  sync.Mutex // guards env, whose functions are called from several threads
	env *catalog.Env
}

type runKey struct{}

func runOf(ctx context.Context) (*duckRun, error) {
	r, ok := ctx.Value(runKey{}).(*duckRun)
	if !ok {
		return nil, types.Errorf(types.CodeInternalError, "a function was called outside of a statement")
	}
	return r, nil
}

// relationSQL spells what stands for a relation in a statement of DuckDB, and binds what it scans to the connection.
func (r *duckRun) relationSQL(c *duckConn, rel *plan.Relation) (string, error) {
	switch ref := rel.Ref.(type) {
	case *db.Table:
		return r.tableSQL(c, rel, ref)
	case *catalog.Relation:
		return "(SELECT * FROM " + c.bind(&catalogRows{run: r, relation: ref}) + ")", nil
	}
	return "", types.Errorf(types.CodeInternalError, "relation %q cannot be scanned", rel.Name)
}

// tableSQL is a table as the reader sees it: its segments without their dead rows, and what is in no segment.
func (r *duckRun) tableSQL(c *duckConn, rel *plan.Relation, t *db.Table) (string, error) {
	view, err := r.reader.View(t)
	if err != nil {
		return "", err
	}
	n := len(r.views)
	r.views = append(r.views, view)
	var b strings.Builder
	b.WriteByte('(')
	for i := range view.Segments {
		seg := &view.Segments[i]
		b.WriteString("SELECT ")
		for j := range t.Columns {
			segmentColumn(&b, &t.Columns[j], seg)
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%s AS %s FROM read_parquet(%s, file_row_number=true)", quoteName(seg.RowIDColumn), plan.RowIDColumn,
			duck.QuoteLiteral(seg.Path))
		if seg.Dead != nil && !seg.Dead.IsEmpty() {
			fmt.Fprintf(&b, " WHERE %s(%d, %d, file_row_number)", aliveFunction, n, i)
		}
		b.WriteString(" UNION ALL ")
	}
	b.WriteString("SELECT * FROM ")
	b.WriteString(c.bind(newHeadRows(r, view)))
	b.WriteByte(')')
	return b.String(), nil
}

func quoteName(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// segmentColumn reads one column of a segment as the type DuckDB carries it in.
func segmentColumn(b *strings.Builder, c *db.Column, seg *db.SegmentView) {
	to := duckType(types.FromDB(c.Type))
	name, ok := seg.Columns[c.ID]
	q := quoteName(name)
	switch {
	case !ok:
		fmt.Fprintf(b, "CAST(%s AS %s)", duckLiteral(c.Missing, types.FromDB(c.Type)), to)
	case c.Type.Kind == db.Numeric: // what no DECIMAL holds stands beside it as text, and is an error here
		fmt.Fprintf(b, "CAST(CASE WHEN %s IS NULL THEN CAST(__engram_exact_%d AS %s) ELSE %s END AS %s)", q, c.ID, to, q, to)
	case c.Type.Kind == db.IntervalKind:
		fmt.Fprintf(b, "(to_months(%s.months) + to_days(%s.days) + to_microseconds(%s.micros))", q, q, q)
	default:
		fmt.Fprintf(b, "CAST(%s AS %s)", q, to)
	}
	b.WriteString(" AS ")
	b.WriteString(quoteName(c.Name))
}

// duckLiteral spells a constant for DuckDB; the caller casts it to the column's type.
func duckLiteral(v any, t types.Type) string {
	switch x := v.(type) {
	case nil:
		return "NULL"
	case bool:
		return strconv.FormatBool(x)
	case int64:
		switch t.OID {
		case types.TimeOID:
			return "TIME '00:00:00' + to_microseconds(" + strconv.FormatInt(x, 10) + ")"
		case types.TimestampOID:
			return "make_timestamp(" + strconv.FormatInt(x, 10) + ")"
		case types.TimestamptzOID:
			return duck.QuoteLiteral(time.UnixMicro(x).UTC().Format("2006-01-02 15:04:05.999999") + "+00")
		}
		return strconv.FormatInt(x, 10)
	case int32:
		return "(DATE '1970-01-01' + " + strconv.Itoa(int(x)) + ")"
	case float32:
		return "'" + strconv.FormatFloat(float64(x), 'g', -1, 32) + "'"
	case float64:
		return "'" + strconv.FormatFloat(x, 'g', -1, 64) + "'"
	case *apd.Decimal:
		return "'" + x.Text('f') + "'"
	case string:
		return duck.QuoteLiteral(x)
	case []byte:
		return "unhex('" + hex.EncodeToString(x) + "')"
	case [16]byte:
		return "'" + hex.EncodeToString(x[:]) + "'"
	case db.Interval:
		return fmt.Sprintf("(to_months(%d) + to_days(%d) + to_microseconds(%d))", x.Months, x.Days, x.Micros)
	case []float32:
		parts := make([]string, len(x))
		for i, f := range x {
			parts[i] = strconv.FormatFloat(float64(f), 'g', -1, 32)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case []any:
		elem, _ := types.ElemOf(t)
		parts := make([]string, len(x))
		for i := range x {
			parts[i] = "CAST(" + duckLiteral(x[i], elem) + " AS " + duckType(elem).String() + ")"
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return "NULL"
}

// pushRows turns rows that are pushed into rows that DuckDB pulls, from whichever thread it likes: a goroutine runs
// ahead by a bounded number of chunks.
type pushRows struct {
	ctx    context.Context
	cancel context.CancelFunc
	chunks chan [][]any
	err    error // valid once chunks is closed
	types  []types.Type
	last   [][]any
}

// startPush begins a scan. produce gives rows of the wanted columns, whose types are given, until yield says stop.
func startPush(ctx context.Context, of []types.Type, produce func(ctx context.Context, yield func(row []any) error) error) *pushRows {
	p := &pushRows{chunks: make(chan [][]any, 2), types: of}
	p.ctx, p.cancel = context.WithCancel(ctx)
	go func() {
		defer close(p.chunks)
		chunk := make([][]any, 0, 256)
		send := func() error {
			select {
			case p.chunks <- chunk:
				chunk = make([][]any, 0, duck.ChunkRows)
				return nil
			case <-p.ctx.Done():
				return p.ctx.Err()
			}
		}
		err := produce(p.ctx, func(row []any) error {
			chunk = append(chunk, row)
			if len(chunk) == cap(chunk) {
				return send()
			}
			return nil
		})
		if err == nil && len(chunk) > 0 {
			err = send()
		}
		p.err = err
	}()
	return p
}

// Next implements duck.RelationScan.
func (p *pushRows) Next(cols []*duck.Writer, max int) (int, error) {
	if len(p.last) == 0 {
		chunk, ok := <-p.chunks
		if !ok {
			return 0, p.err
		}
		p.last = chunk
	}
	n := min(len(p.last), max)
	for i, row := range p.last[:n] {
		for j, w := range cols {
			if row[j] == nil {
				w.SetNull(i)
			} else {
				w.SetValue(i, toDuck(row[j], p.types[j]))
			}
		}
	}
	p.last = p.last[n:]
	return n, nil
}

// Close implements duck.RelationScan: it waits for the producer, which reads what the session may change next.
func (p *pushRows) Close() error {
	p.cancel()
	for range p.chunks {
	}
	return nil
}

// headRows are the rows of a table that are in no segment, with their RowID as the last column.
type headRows struct {
	run     *duckRun
	view    *db.TableView
	columns []duck.Column
	types   []types.Type
	rows    int64 // about; -1 when it is not known
}

func newHeadRows(r *duckRun, view *db.TableView) *headRows {
	h := &headRows{run: r, view: view, rows: headSize(r.reader, view)}
	for _, c := range view.Table.Columns {
		t := types.FromDB(c.Type)
		h.types = append(h.types, t)
		h.columns = append(h.columns, duck.Column{Name: c.Name, Type: duckType(t)})
	}
	h.types = append(h.types, types.Of(types.Int8OID))
	h.columns = append(h.columns, duck.Column{Name: plan.RowIDColumn, Type: duck.BigInt})
	return h
}

// Columns implements duck.Relation.
func (h *headRows) Columns() []duck.Column { return h.columns }

// Rows implements duck.Relation.
func (h *headRows) Rows() int64 { return h.rows }

// headSize counts the rows that are in no segment, for DuckDB's planner.
func headSize(r db.Reader, view *db.TableView) int64 {
	n, err := r.Count(context.Background(), view.Table)
	if err != nil {
		return -1
	}
	for i := range view.Segments {
		seg := &view.Segments[i]
		n -= int64(seg.Rows)
		if seg.Dead != nil {
			n += int64(seg.Dead.GetCardinality())
		}
	}
	return max(n, 0)
}

// Scan implements duck.Relation.
func (h *headRows) Scan(ctx context.Context, projection []int) (duck.RelationScan, error) {
	want := make([]int, 0, len(projection)) // columns of the table
	from := make([]int, len(projection))    // where each projected column stands in a row read; -1 is the RowID
	of := make([]types.Type, len(projection))
	for k, j := range projection {
		of[k], from[k] = h.types[j], -1
		if j < len(h.view.Table.Columns) {
			from[k] = len(want)
			want = append(want, j)
		}
	}
	return startPush(ctx, of, func(ctx context.Context, yield func([]any) error) error {
		return h.view.Head(ctx, want, func(id db.RowID, row db.Row) error {
			out := make([]any, len(from))
			for k, f := range from {
				if f < 0 {
					out[k] = int64(id)
				} else {
					out[k] = row[f]
				}
			}
			return yield(out)
		})
	}), nil
}

// catalogRows are the rows of a relation of pg_catalog or information_schema.
type catalogRows struct {
	run      *duckRun
	relation *catalog.Relation
}

// Columns implements duck.Relation.
func (c *catalogRows) Columns() []duck.Column {
	out := make([]duck.Column, len(c.relation.Columns))
	for i, col := range c.relation.Columns {
		out[i] = duck.Column{Name: col.Name, Type: duckType(col.Type)}
	}
	return out
}

// Rows implements duck.Relation.
func (c *catalogRows) Rows() int64 { return -1 }

// Scan implements duck.Relation.
func (c *catalogRows) Scan(ctx context.Context, projection []int) (duck.RelationScan, error) {
	of := make([]types.Type, len(projection))
	for k, j := range projection {
		of[k] = c.relation.Columns[j].Type
	}
	return startPush(ctx, of, func(ctx context.Context, yield func([]any) error) error {
		rows, err := c.run.catalogRows(c.relation)
		if err != nil {
			return err
		}
		for _, row := range rows {
			out := make([]any, len(projection))
			for k, j := range projection {
				out[k] = row[j]
			}
			if err := yield(out); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

func (r *duckRun) catalogRows(rel *catalog.Relation) ([][]any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return rel.Rows(r.env)
}
