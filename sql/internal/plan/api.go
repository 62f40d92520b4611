package plan

import (
	"strconv"
	"strings"

	"engram/sql/types"
)

// RowIDColumn is the hidden BIGINT column that identifies a row of a user relation inside DuckDB.
const RowIDColumn = "__engram_rowid"

// SessionToken is the identifier that DuckSQL passes as the first argument of functions that need the session. It
// stands outside of string literals and quoted identifiers; the executor replaces it by a literal.
const SessionToken = "__engram_token__"

// ReturningRelation names, in DMLPlan.ReturningSQL, the relation of the rows that the statement wrote (or deleted).
const ReturningRelation = "__engram_returning__"

// RelationToken is the identifier (without its quotes) that stands for Plan.Relations[i] in DuckSQL.
func RelationToken(i int) string { return "__engram_rel_" + strconv.Itoa(i) + "__" }

const raisedPrefix = "__engram_raise:"

// DecodeRaised takes apart the message of an error that rewritten SQL raised through DuckDB's error(): DuckDB may put
// its own words around it. It reports false for any other message.
func DecodeRaised(message string) (*types.Error, bool) {
	_, rest, ok := strings.Cut(message, raisedPrefix)
	if !ok || len(rest) < 6 || rest[5] != ':' {
		return nil, false
	}
	text, _, _ := strings.Cut(rest[6:], "\n")
	return types.Errorf(rest[:5], "%s", text), true
}

// RelKind says what a relation is.
type RelKind uint8

// The kinds of relations.
const (
	Table   RelKind = iota + 1 // a user table; may be written
	Catalog                    // a relation of pg_catalog or information_schema
	View                       // a stored query, which Analyze expands
	Nested                     // a search inside of a query: Ref is a *Search
)

// Scope gives names their meaning. Analyze calls it from one goroutine.
type Scope interface {
	// Relation finds a relation; schema "" means the search path, where pg_catalog comes first unless the path names
	// it. It answers (nil, nil) when there is none.
	Relation(schema, name string) (*Relation, error)
	// Setting gives a setting of the session, as SHOW would.
	Setting(name string) (string, bool)
}

// FunctionScope is what a Scope may implement beside: it says whether a function of the session or the catalog, which
// DuckSQL calls as __engram_pg_<name>, exists. Without it all that the analyser knows do.
type FunctionScope interface{ HasFunction(name string) bool }

// Relation is a table, a catalog relation or a view, as the analyser needs it. It must not change once returned.
type Relation struct {
	OID          uint32
	Schema, Name string
	Kind         RelKind
	Columns      []RelColumn
	PrimaryKey   []int    // positions in Columns
	Uniques      [][]int  // positions in Columns, in the order of the table's unique keys (the primary key included)
	UniqueNames  []string // names of Uniques' constraints or indexes, for ON CONFLICT ON CONSTRAINT; may be nil
	Definition   string   // a view's SELECT
	Ref          any      // the caller's own handle, opaque here
}

// RelColumn is one column of a relation.
type RelColumn struct {
	Name       string
	Type       types.Type
	AttNum     int16
	NotNull    bool
	Hidden     bool // not shown by *, as RowIDColumn; may be omitted for RowIDColumn, which every Table has
	HasDefault bool // INSERT may leave it out although it is NOT NULL
	Always     bool // GENERATED ALWAYS AS IDENTITY: refuses values without OVERRIDING SYSTEM VALUE
}

// Road says how a statement is run.
type Road uint8

// The roads.
const (
	RoadDirect  Road = iota + 1 // Plan.Direct
	RoadDuck                    // Plan.DuckSQL
	RoadDML                     // Plan.DML, whose source may be Plan.DuckSQL
	RoadUtility                 // Plan.Utility
)

func (r Road) String() string {
	return [...]string{"none", "direct", "duck", "dml", "utility"}[min(r, RoadUtility)]
}

// Plan is an analysed statement.
type Plan struct {
	Road      Road
	Tag       string       // command tag without counts: "SELECT", "INSERT", "CREATE TABLE", ...
	Params    []types.Type // types of $1..$n; OID 0 = unresolved (ask DuckDB, then text)
	Columns   []PlanColumn // output columns; nil = the statement returns no rows (utility statements with rows: nil too)
	Relations []*Relation  // what the tokens of DuckSQL (or of the direct and DML plans) name
	DuckSQL   string       // in DuckDB's dialect; empty when not needed
	Near      *NearJoin    // of a query on RoadDuck; nil when it is none
	Direct    *DirectPlan
	DML       *DMLPlan
	Utility   any      // one of the structs of utility.go
	Writes    bool     // the statement changes rows or schema: refused in a read-only transaction
	Volatile  bool     // calls a function whose answer may change between executions: do not cache results
	Session   bool     // DuckSQL holds SessionToken
	Explain   []string // what EXPLAIN prints of the plan's shape, one line each, outermost first
}

// PlanColumn is one output column.
type PlanColumn struct {
	Name     string
	Type     types.Type // OID 0 = take DuckDB's
	TableOID uint32     // of a plain column reference, else 0
	AttNum   int16
}

// DirectPlan is a SELECT that needs no DuckDB: exactly one field is set.
type DirectPlan struct {
	KNN    *KNN
	Point  *PointRead
	Values *Values
}

// KNN is a nearest-neighbour query: SELECT Project FROM Relation WHERE Filter ORDER BY column Op Query LIMIT.
//
// Project is evaluated over Env.Row (one value a column of Relation; only ProjectColumns need values) and over Env.Distance, as pgvector would print the operator's result.
// Rows whose vector is NULL come last in PostgreSQL: they are wanted only when fewer than limit rows have vectors.
type KNN struct {
	Relation       *Relation
	Column         int        // position in Relation.Columns
	Op             string     // <-> <=> <#> <+> <~> <%>
	Query          Expr       // []float32 (string of bits for bit columns); NULL orders nothing
	Limit          Expr       // int64 >= 0; evaluates to nil for LIMIT NULL, and is nil when there is none: all rows
	Offset         Expr       // int64; nil when there is none
	Filter         *RowFilter // nil = all rows
	Project        []Expr
	ProjectColumns []int
	ShowsDistance  bool // Project reads Env.Distance
}

// RowFilter is a WHERE over the rows of one table. Go can evaluate it by Cond, DuckDB by SQL; both mean the same.
type RowFilter struct {
	Text     string // as EXPLAIN shows it
	Cond     Expr   // bool over Env.Row; nil = only DuckDB can tell
	Columns  []int  // those that Cond reads
	SQL      string // SELECT of the RowIDColumn of the rows for which it holds
	Params   []int  // what $1, $2 ... of SQL are among the statement's parameters, from 1
	Keys     *KeySet
	Volatile bool // may hold for other rows the next time, although table and parameters are the same
	Subquery bool // reads other tables too
}

// KeySet is a condition that pins a unique key of one column to a few values; Cond still has to be looked at.
type KeySet struct {
	Unique int    // position in Relation.Uniques
	Values []Expr // of the column's type; NULL finds nothing
	Array  Expr   // a []any of values instead, when Values is nil
}

// PointRead reads at most one row by a unique key: SELECT Project FROM Relation WHERE key = ... AND Filter.
type PointRead struct {
	Relation       *Relation
	Unique         int    // position in Relation.Uniques
	Key            []Expr // in the key's column order, already of the columns' types; a nil value finds nothing
	Filter         Expr   // remaining predicates over Env.Row, nil = none
	Project        []Expr
	ProjectColumns []int // positions that Filter and Project read
	Limit, Offset  Expr  // as in KNN
}

// Values is a SELECT without FROM (one row) or VALUES (many rows).
type Values struct {
	Rows          [][]Expr
	Filter        Expr // bool, evaluated once; nil = none
	Limit, Offset Expr // as in KNN
}

// DMLOp is the kind of a change.
type DMLOp uint8

// The kinds of changes.
const (
	Insert DMLOp = iota + 1
	Update
	Delete
)

func (o DMLOp) String() string {
	return [...]string{"NONE", "INSERT", "UPDATE", "DELETE"}[min(o, Delete)]
}

// DMLPlan is a change of one relation.
//
// Insert: the source is Rows, or Plan.DuckSQL when Rows is nil, which yields one column for each of Targets.
// Columns that Targets does not name get their defaults. The values are not yet coerced to the columns' types when
// they come from DuckSQL; those of Rows are (Expr.Type equals the column's type).
//
// Update: the source is Point, or Plan.DuckSQL, which yields RowIDColumn, then one value for each of Set whose Expr is
// nil and Default is false (in order), then ExtraColumns values for RETURNING. One row may come more than
// once: the first counts. With Point, Set's expressions are evaluated over Env.Row, the old row.
//
// Delete: as Update, without Set.
type DMLPlan struct {
	Op         DMLOp
	Relation   *Relation
	Targets    []int    // Insert: positions in Relation.Columns, in source order
	Rows       [][]Expr // Insert: one Expr for each target; a nil Expr is DEFAULT
	Overriding Overriding
	Conflict   *Conflict // Insert
	Point      *PointKey // Update, Delete
	Set        []SetItem // Update
	// Returning is evaluated over Env.Row (the new row; for Delete the old one) and Env.Extra. It is nil when there is
	// no RETURNING, or when ReturningSQL is set: then Go cannot evaluate it, and the query reads ReturningRelation, whose
	// columns are the relation's, then __engram_extra_<i> for each of ExtraColumns, then a BIGINT __engram_ord, the row's
	// position, by which it orders.
	Returning          []Expr
	ReturningSQL       string
	ReturningRelations []*Relation // what RelationToken means in ReturningSQL: Plan.Relations
	ExtraColumns       int
	ExtraTypes         []types.Type
}

// Overriding says what OVERRIDING asked for.
type Overriding uint8

// The overriding clauses.
const (
	OverridingNone   Overriding = iota
	OverridingSystem            // values may be given for GENERATED ALWAYS columns
	OverridingUser              // values given for identity columns are ignored
)

// PointKey finds the one row to change.
type PointKey struct {
	Unique int    // position in Relation.Uniques
	Key    []Expr // as in PointRead
	Filter Expr   // over Env.Row; nil = none
}

// SetItem is one assignment.
type SetItem struct {
	Column  int
	Default bool // SET column = DEFAULT
	Expr    Expr // of the column's type; nil when the value comes from DuckSQL or Default is set
}

// Conflict is ON CONFLICT.
type Conflict struct {
	Unique  int  // position in Relation.Uniques; -1 = any
	Nothing bool // DO NOTHING; else DO UPDATE
	// Set and Where are evaluated over Env.Row (the row that stands) and Env.Excluded (the row that was to be inserted).
	Set   []SetItem
	Where Expr // nil = always
}
