package sql

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"engram/db"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// indexKinds are the access methods of vector indexes: pgvector's names and ours.
var indexKinds = map[string]db.IndexKind{"hnsw": db.IndexHNSW, "ivfflat": db.IndexIVF, "ivf": db.IndexIVF, "auto": db.IndexAuto,
	"flat": db.IndexFlat}

// vectorClass is what an operator class compares, and how.
type vectorClass struct {
	kind   db.Kind
	metric db.Metric
	lists  bool // pgvector's ivfflat has it too; all others have every class
}

// vectorClasses are pgvector's operator classes.
var vectorClasses = map[string]vectorClass{
	"vector_l2_ops": {db.Vector, db.L2, true}, "vector_ip_ops": {db.Vector, db.InnerProduct, true},
	"vector_cosine_ops": {db.Vector, db.Cosine, true}, "vector_l1_ops": {db.Vector, db.L1, false},
	"halfvec_l2_ops": {db.Halfvec, db.L2, true}, "halfvec_ip_ops": {db.Halfvec, db.InnerProduct, true},
	"halfvec_cosine_ops": {db.Halfvec, db.Cosine, true}, "halfvec_l1_ops": {db.Halfvec, db.L1, false},
	"bit_hamming_ops": {db.Bit, db.Hamming, true}, "bit_jaccard_ops": {db.Bit, db.Jaccard, false},
}

// className is the operator class of a column's type and a metric.
func className(k db.Kind, m db.Metric) string {
	for name, c := range vectorClasses {
		if c.kind == k && c.metric == m {
			return name
		}
	}
	return ""
}

// defaultClass is the class of an index whose statement names none; "" where pgvector has no default.
func defaultClass(method string, k db.Kind) string {
	switch {
	case method == "hnsw":
		return ""
	case method == "ivfflat" && k == db.Vector:
		return "vector_l2_ops"
	case method == "ivfflat":
		return ""
	case k == db.Bit:
		return "bit_hamming_ops"
	}
	return className(k, db.Cosine)
}

// indexBuild is an index that a transaction has asked for: it is built once the transaction is committed.
type indexBuild struct {
	table db.TableID
	name  string
}

// createVectorIndex runs CREATE INDEX of a vector index. Searches use it as soon as it is built, segment by segment.
func (s *Session) createVectorIndex(t *db.Table, u *plan.CreateIndex, name string) error {
	v, err := vectorIndexOf(t, u)
	if err != nil {
		return err
	}
	v.Name = name
	x := recorded(t, u)
	x.OpClass = className(t.Columns[v.Column].Type.Kind, v.Metric)
	x.Keys[0].OpClass = x.OpClass
	return s.addVectorIndex(t, v, x)
}

func (s *Session) addVectorIndex(t *db.Table, v db.VectorIndex, x *storedIndex) error {
	n := t.Clone()
	n.Indexes = append(n.Indexes, v)
	if _, err := s.batch().AlterTable(s.ctx, n); err != nil {
		return err
	}
	s.txn.builds = append(s.txn.builds, indexBuild{t.ID, v.Name})
	return x.keep(s.batch(), t.Schema, v.Name)
}

// vectorIndexOf checks what CREATE INDEX asks of a vector index.
func vectorIndexOf(t *db.Table, u *plan.CreateIndex) (db.VectorIndex, error) {
	v := db.VectorIndex{Kind: indexKinds[u.Method]}
	switch {
	case len(u.Columns) != 1:
		return v, unsupported("access method %q does not support multicolumn indexes", u.Method)
	case len(u.Include) > 0:
		return v, unsupported("access method %q does not support included columns", u.Method)
	case u.Columns[0].Desc:
		return v, unsupported("access method %q does not support ASC/DESC options", u.Method)
	case u.Columns[0].NullsFirst:
		return v, unsupported("access method %q does not support NULLS FIRST/LAST options", u.Method)
	case u.Columns[0].Column < 0:
		return v, unsupported("vector indexes on expressions are not supported")
	}
	c := u.Columns[0]
	v.Column = c.Column
	class, err := classOf(t.Columns[c.Column].Type, u.Method, c.OpClass)
	if err != nil {
		return v, err
	}
	v.Metric = class.metric
	if dt := t.Columns[c.Column].Type; dt.Kind != db.Bit && dt.Dim() == 0 {
		return v, types.Errorf(types.CodeInvalidParameterValue, "column does not have dimensions")
	}
	return v, setOptions(&v, u)
}

// classOf finds the operator class of an index over a column.
func classOf(dt db.Type, method, name string) (vectorClass, error) {
	kind := dt.Kind
	if kind == db.Varbit {
		kind = db.Bit
	}
	if name == "" {
		if name = defaultClass(method, kind); name == "" {
			return vectorClass{}, types.Errorf(types.CodeUndefinedObject, "data type %s has no default operator class for access method %q",
				types.Of(types.FromDB(dt).OID), method).
				WithHint("You must specify an operator class for the index or define a default operator class for the data type.")
		}
	}
	class, ok := vectorClasses[name]
	switch {
	case !ok || method == "ivfflat" && !class.lists:
		return class, types.Errorf(types.CodeUndefinedObject, "operator class %q does not exist for access method %q", name, method)
	case class.kind != kind:
		return class, types.Errorf(types.CodeDatatypeMismatch, "operator class %q does not accept data type %s", name, types.Of(types.FromDB(dt).OID))
	}
	return class, nil
}

// indexOption is a parameter of WITH (...), with pgvector's range.
type indexOption struct {
	min, max int
	set      func(v *db.VectorIndex, n int)
}

var graphOptions = map[string]indexOption{
	"m":               {2, db.MaxIndexM, func(v *db.VectorIndex, n int) { v.M = n }},
	"ef_construction": {4, db.MaxIndexEfConstruction, func(v *db.VectorIndex, n int) { v.EfConstruction = n }},
}

var listOptions = map[string]indexOption{
	"lists": {1, db.MaxIndexLists, func(v *db.VectorIndex, n int) { v.Lists = n }},
}

// optionsOf are the numbers that an index of a kind may be given.
func optionsOf(k db.IndexKind, name string) (indexOption, bool) {
	if k == db.IndexHNSW || k == db.IndexAuto {
		if o, ok := graphOptions[name]; ok {
			return o, true
		}
	}
	if k == db.IndexIVF || k == db.IndexAuto {
		o, ok := listOptions[name]
		return o, ok
	}
	return indexOption{}, false
}

func setOptions(v *db.VectorIndex, u *plan.CreateIndex) error {
	for _, p := range u.Parameters {
		if p.Name == "profile" && v.Kind != db.IndexFlat {
			switch strings.ToLower(p.Value) {
			case "compact":
				v.Compact = true
			case "fast":
			default:
				return types.Errorf(types.CodeInvalidParameterValue, "invalid value for enum option %q: %s", p.Name, p.Value).
					WithDetail(`Valid values are "fast" and "compact".`)
			}
			continue
		}
		o, ok := optionsOf(v.Kind, p.Name)
		if !ok {
			return types.Errorf(types.CodeInvalidParameterValue, "unrecognized parameter %q", p.Name)
		}
		n, err := strconv.Atoi(p.Value)
		if err != nil {
			return types.Errorf(types.CodeInvalidParameterValue, "invalid value for integer option %q: %s", p.Name, p.Value)
		}
		if n < o.min || n > o.max {
			return types.Errorf(types.CodeInvalidParameterValue, "value %d out of bounds for option %q", n, p.Name).
				WithDetail("%s", fmt.Sprintf("Valid values are between \"%d\" and \"%d\".", o.min, o.max))
		}
		o.set(v, n)
	}
	if v.M > 0 && v.EfConstruction > 0 && v.EfConstruction < 2*v.M {
		return types.Errorf(types.CodeInvalidParameterValue, "ef_construction must be greater than or equal to 2 * m")
	}
	return nil
}

// vectorIndex finds a vector index by name: its table and its position there, -1 when there is none.
func (s *Session) vectorIndex(schema, name string) (*db.Table, int) {
	for _, t := range s.batch().Tables() {
		if t.Schema != schema {
			continue
		}
		if i := slices.IndexFunc(t.Indexes, func(v db.VectorIndex) bool { return v.Name == name }); i >= 0 {
			return t, i
		}
	}
	return nil, -1
}

func (s *Session) dropVectorIndex(schema, name string) (bool, error) {
	t, i := s.vectorIndex(schema, name)
	if i < 0 {
		return false, nil
	}
	n := t.Clone()
	n.Indexes = slices.Delete(n.Indexes, i, i+1)
	if _, err := s.batch().AlterTable(s.ctx, n); err != nil {
		return true, err
	}
	return true, s.batch().SetSetting(indexKey(schema, name), nil)
}

// indexNotFound is PostgreSQL's word for an index that is not there; it names it as the statement did.
func indexNotFound(name plan.Name) *Error {
	full := name.Name
	if name.Schema != "" {
		full = name.Schema + "." + full
	}
	return types.Errorf(types.CodeUndefinedTable, "relation %q does not exist", full)
}

// alterIndex runs ALTER INDEX ... RENAME TO.
func (s *Session) alterIndex(u *plan.AlterTable) error {
	rename, ok := plan.RenameTable{}, false
	if len(u.Actions) == 1 {
		rename, ok = u.Actions[0].(plan.RenameTable)
	}
	if !ok {
		return unsupported("this form of ALTER INDEX is not supported")
	}
	for _, schema := range s.indexSchemas(u.Name) {
		found, err := s.renameIndex(schema, u.Name.Name, rename.To)
		if found || err != nil {
			return err
		}
	}
	if u.IfExists {
		s.skipped(types.CodeSuccessfulCompletion, "relation %q does not exist, skipping", u.Name.Name)
		return nil
	}
	return indexNotFound(u.Name)
}

func (s *Session) renameIndex(schema, from, to string) (found bool, err error) {
	t, i := s.vectorIndex(schema, from)
	x, recorded, err := s.findIndex(schema, from)
	if err != nil {
		return false, err
	}
	key := -1
	if i < 0 && !recorded {
		for _, other := range s.batch().Tables() {
			if k := slices.IndexFunc(other.Uniques, func(q db.Unique) bool { return q.Name == from }); k >= 0 && other.Schema == schema {
				t, key = other, k
			}
		}
		if key < 0 {
			return false, nil
		}
	}
	if there, err := s.taken(schema, to); err != nil || there || t != nil && constraintTaken(t, to) {
		return true, firstError(err, alreadyExists(to))
	}
	if i >= 0 || key >= 0 {
		n := t.Clone()
		if key >= 0 {
			n.Uniques[key].Name = to
		} else {
			n.Indexes[i].Name = to
		}
		if _, err := s.batch().AlterTable(s.ctx, n); err != nil {
			return true, err
		}
	}
	if !recorded {
		return true, nil
	}
	if err := s.batch().SetSetting(indexKey(schema, from), nil); err != nil {
		return true, err
	}
	return true, x.keep(s.batch(), schema, to)
}

// dropIndexesOf takes the vector indexes of a column from a descriptor that is about to lose it, and the descriptions of all.
func (s *Session) dropIndexesOf(n *db.Table, column int) error {
	n.Indexes = slices.DeleteFunc(n.Indexes, func(v db.VectorIndex) bool { return v.Column == column })
	for i := range n.Indexes {
		if n.Indexes[i].Column > column {
			n.Indexes[i].Column--
		}
	}
	id := n.Columns[column].ID
	return s.eachRecorded(n.ID, func(schema, name string, x *storedIndex) error {
		if !slices.Contains(x.Columns, id) {
			return nil
		}
		return s.batch().SetSetting(indexKey(schema, name), nil)
	})
}

// retypeIndexes makes new indexes of those over a column whose type changes; the descriptor has the new type already.
func retypeIndexes(n *db.Table, column int) error {
	dt := n.Columns[column].Type
	for i := range n.Indexes {
		if v := &n.Indexes[i]; v.Column == column {
			if _, err := classOf(dt, "hnsw", className(vectorKind(dt.Kind, v.Metric), v.Metric)); err != nil {
				return err
			}
			v.ID = 0
		}
	}
	return nil
}

// vectorKind is the type that a metric's operator classes are looked for under when a column becomes of kind k.
func vectorKind(k db.Kind, m db.Metric) db.Kind {
	switch {
	case k == db.Halfvec && !m.Bits():
		return db.Halfvec
	case m.Bits():
		return db.Bit
	}
	return db.Vector
}

// renumberColumn lets the descriptions of a table's indexes follow a column that got another ID.
func (s *Session) renumberColumn(id db.TableID, from, to uint32, dt db.Type) error {
	return s.eachRecorded(id, func(schema, name string, x *storedIndex) error {
		at := slices.Index(x.Columns, from)
		if at < 0 {
			return nil
		}
		x.Columns[at] = to
		if class, ok := vectorClasses[x.OpClass]; ok {
			x.OpClass = className(vectorKind(dt.Kind, class.metric), class.metric)
			x.Keys[0].OpClass = x.OpClass
		}
		return x.keep(s.batch(), schema, name)
	})
}

// moveIndexes lets the descriptions of a table's indexes follow it to another schema.
func (s *Session) moveIndexes(t *db.Table, to string) error {
	return s.eachRecorded(t.ID, func(schema, name string, x *storedIndex) error {
		if schema == to {
			return nil
		}
		if there, err := s.taken(to, name); err != nil || there {
			return firstError(err, alreadyExists(name))
		}
		if err := s.batch().SetSetting(indexKey(schema, name), nil); err != nil {
			return err
		}
		return x.keep(s.batch(), to, name)
	})
}

// eachRecorded calls f for the description of each index of a table.
func (s *Session) eachRecorded(id db.TableID, f func(schema, name string, x *storedIndex) error) error {
	keys, err := s.batch().Settings("index/")
	if err != nil {
		return err
	}
	for _, key := range keys {
		schema, name, _ := strings.Cut(strings.TrimPrefix(key, "index/"), ".")
		x, ok, err := s.findIndex(schema, name)
		if err != nil {
			return err
		}
		if ok && x.Table == id {
			if err := f(schema, name, x); err != nil {
				return err
			}
		}
	}
	return nil
}
