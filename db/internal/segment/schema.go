package segment

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/apache/arrow-go/v18/parquet"
	"github.com/apache/arrow-go/v18/parquet/schema"

	"engram/db/internal/row"
)

// role tells what a Parquet field holds of its column.
type role uint8

const (
	roleValue   role = iota // the value itself
	roleDecimal             // numeric: the number, NULL where a DECIMAL cannot be that value
	roleExact               // numeric: the exact text where the DECIMAL would print otherwise
	roleVector              // vector, halfvec: LIST<FLOAT>
	roleRowID               // no column: the RowID
)

// field is one top-level Parquet field.
type field struct {
	role      role
	col       int // position in the columns; -1 for the RowID
	name      string
	list      bool
	form      form
	leaf      int // position of its first leaf among the Parquet columns
	precision int // of a DECIMAL
	scale     int
}

// layout is the Parquet shape of a set of columns.
type layout struct {
	cols   []row.Column
	fields []field
	leaves int
	scalar []row.Column // the columns kept in the row sidecar: all but vectors
	place  []int        // their positions in cols
}

func isVector(t row.Type) bool { return t.Kind == row.Vector || t.Kind == row.Halfvec }

func newLayout(cols []row.Column) (*layout, error) {
	l := &layout{cols: cols}
	rowID := field{role: roleRowID, col: -1, name: RowIDColumn, form: longForm(nil)}
	l.add(rowID)
	used := map[string]bool{RowIDColumn: true}
	ids := map[uint32]bool{}
	for i, c := range cols {
		if ids[c.ID] {
			return nil, fmt.Errorf("segment: two columns have ID %d", c.ID)
		}
		ids[c.ID] = true
		name := uniqueName(used, c)
		f := field{role: roleValue, col: i, name: name}
		var err error
		switch {
		case isVector(c.Type):
			f.role, f.list = roleVector, true
			f.form = form{leaves: []leafForm{{phys: parquet.Types.Float}}}
		case c.Type.Kind == row.Array:
			f.list = true
			f.form, err = formOf(row.Type{Kind: c.Type.Elem, Mod: c.Type.Mod})
		case c.Type.Kind == row.Numeric:
			f.role = roleDecimal
			f.precision, f.scale = decimalType(c.Type)
			f.form = decimalForm(f.precision, f.scale)
		default:
			f.form, err = formOf(c.Type)
		}
		if err != nil {
			return nil, fmt.Errorf("column %q: %w", c.Name, err)
		}
		l.add(f)
		if f.role == roleDecimal {
			exact := field{role: roleExact, col: i, name: exactName(c.ID)}
			exact.form, _ = formOf(row.Of(row.Numeric))
			l.add(exact)
		}
		if f.role != roleVector {
			l.scalar = append(l.scalar, c)
			l.place = append(l.place, i)
		}
	}
	return l, nil
}

func (l *layout) add(f field) {
	f.leaf = l.leaves
	l.leaves += len(f.form.leaves)
	l.fields = append(l.fields, f)
}

func exactName(id uint32) string { return fmt.Sprintf("__engram_exact_%d", id) }

// uniqueName gives a column a name that differs from all others in more than case, since most Parquet readers fold it.
func uniqueName(used map[string]bool, c row.Column) string {
	name := c.Name
	if low := strings.ToLower(name); used[low] || name == "" || strings.HasPrefix(low, "__engram_") {
		name = fmt.Sprintf("%s_%d", c.Name, c.ID)
	}
	for used[strings.ToLower(name)] {
		name += "_"
	}
	used[strings.ToLower(name)] = true
	return name
}

// path is the dotted path of a field's leaf, by which writer properties are set.
func (f *field) path() string {
	if f.list {
		return f.name + ".list.element"
	}
	return f.name
}

// maxDef is the definition level of a present value.
func (f *field) maxDef() int16 {
	switch {
	case f.role == roleRowID:
		return 0
	case f.role == roleVector:
		return 2
	case f.list:
		return 3
	}
	return 1
}

func (l *layout) newLeaves() []*leaf {
	var out []*leaf
	for i := range l.fields {
		f := &l.fields[i]
		for j := range f.form.leaves {
			out = append(out, &leaf{form: &f.form.leaves[j], maxDef: f.maxDef(), list: f.list})
		}
	}
	return out
}

func (f *field) leavesOf(all []*leaf) []*leaf { return all[f.leaf : f.leaf+len(f.form.leaves)] }

// node builds the field's schema.
func (f *field) node(cols []row.Column) (schema.Node, error) {
	rep, id := parquet.Repetitions.Optional, int32(-1)
	if f.role == roleRowID || f.role == roleVector { // a vector's elements are required
		rep = parquet.Repetitions.Required
	}
	if f.col >= 0 && f.role != roleExact && cols[f.col].ID <= math.MaxInt32 {
		id = int32(cols[f.col].ID)
	}
	inner := id
	if f.list {
		inner = -1
	}
	var n schema.Node
	var err error
	if len(f.form.leaves) == 1 {
		n, err = f.form.leaves[0].node(f.name, rep, inner)
	} else {
		var parts schema.FieldList
		for i := range f.form.leaves {
			part, err := f.form.leaves[i].node(f.form.leaves[i].name, parquet.Repetitions.Required, -1)
			if err != nil {
				return nil, err
			}
			parts = append(parts, part)
		}
		n, err = schema.NewGroupNode(f.name, rep, parts, inner)
	}
	if err != nil || !f.list {
		return n, err
	}
	return schema.ListOfWithName(f.name, n, parquet.Repetitions.Optional, id)
}

func (f *leafForm) node(name string, rep parquet.Repetition, id int32) (schema.Node, error) {
	if f.logical == nil {
		return schema.NewPrimitiveNode(name, rep, f.phys, id, int32(f.length))
	}
	return schema.NewPrimitiveNodeLogical(name, rep, f.logical, f.phys, f.length, id)
}

func (l *layout) schema() (*schema.GroupNode, error) {
	var nodes schema.FieldList
	for i := range l.fields {
		n, err := l.fields[i].node(l.cols)
		if err != nil {
			return nil, fmt.Errorf("segment: column %q: %w", l.fields[i].name, err)
		}
		nodes = append(nodes, n)
	}
	return schema.NewGroupNode("engram", parquet.Repetitions.Required, nodes, -1)
}

// Keys of the Parquet file's own key-value metadata.
const (
	metaSchema = "engram.schema" // schemaText of the columns
	metaPages  = "engram.pages"  // length and XXH64 of everything before the footer
)

// schemaText is the columns as JSON; both files carry it.
func schemaText(cols []row.Column) string {
	type column struct {
		ID   uint32 `json:"id"`
		Name string `json:"name"`
		Kind uint8  `json:"kind"`
		Elem uint8  `json:"elem,omitempty"`
		Mod  int32  `json:"mod"`
		Type string `json:"type"` // for people
	}
	list := []column{}
	for _, c := range cols {
		list = append(list, column{c.ID, c.Name, uint8(c.Type.Kind), uint8(c.Type.Elem), c.Type.Mod, c.Type.String()})
	}
	b, _ := json.Marshal(struct {
		Version int      `json:"version"`
		Columns []column `json:"columns"`
	}{formatVersion, list})
	return string(b)
}

func parseSchema(text string) ([]row.Column, error) {
	var s struct {
		Version int
		Columns []struct {
			ID         uint32
			Name       string
			Kind, Elem uint8
			Mod        int32
		}
	}
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("%w: schema: %v", ErrCorrupt, err)
	}
	if s.Version != formatVersion {
		return nil, fmt.Errorf("%w: format version %d, this program reads %d", ErrCorrupt, s.Version, formatVersion)
	}
	cols := make([]row.Column, len(s.Columns))
	for i, c := range s.Columns {
		cols[i] = row.Column{ID: c.ID, Name: c.Name, Type: row.Type{Kind: row.Kind(c.Kind), Elem: row.Kind(c.Elem), Mod: c.Mod}}
	}
	return cols, nil
}
