package plan

import "engram/sql/types"

// Name is a possibly qualified name of an object; Schema "" means the search path (or, in CREATE, its first schema).
type Name struct{ Schema, Name string }

// Parameter is a name with a value, as in WITH (...) lists: names are lower case; a value that was left out is "true".
type Parameter struct {
	Name  string
	Value string
}

// ---- transactions

// Begin is BEGIN or START TRANSACTION.
type Begin struct{ Modes TransactionModes }

// TransactionModes are the options of BEGIN, SET TRANSACTION and SET SESSION CHARACTERISTICS; "" and nil: not given.
type TransactionModes struct {
	Isolation  string // "read committed", "repeatable read", "serializable", "read uncommitted"
	ReadOnly   *bool
	Deferrable *bool
}

// Commit is COMMIT or END; Chain is AND CHAIN.
type Commit struct{ Chain bool }

// Rollback is ROLLBACK or ABORT.
type Rollback struct{ Chain bool }

// Savepoint is SAVEPOINT name.
type Savepoint struct{ Name string }

// Release is RELEASE SAVEPOINT name.
type Release struct{ Name string }

// RollbackTo is ROLLBACK TO SAVEPOINT name.
type RollbackTo struct{ Name string }

// SetTransaction is SET TRANSACTION, or SET SESSION CHARACTERISTICS AS TRANSACTION when Session is set.
type SetTransaction struct {
	Modes    TransactionModes
	Session  bool
	Snapshot string // SET TRANSACTION SNAPSHOT '...'
}

// ---- settings

// Set is SET [LOCAL] name = values; a list of values is joined as SHOW prints it.
type Set struct {
	Name    string // lower case; "timezone", "role", "session_authorization" for the special forms
	Value   string
	Values  []string
	Local   bool
	Default bool // SET name TO DEFAULT
}

// Reset is RESET name; All is RESET ALL.
type Reset struct {
	Name string
	All  bool
}

// Show is SHOW name; Name "all" is SHOW ALL.
type Show struct{ Name string }

// Discard is DISCARD ALL | PLANS | SEQUENCES | TEMP.
type Discard struct{ What string }

// ---- prepared statements and cursors

// Prepare is PREPARE name (types) AS statement.
type Prepare struct {
	Name      string
	Types     []types.Type
	Statement *Statement
}

// Execute is EXECUTE name (arguments). The arguments are untyped until the prepared statement is known: evaluate
// each, then coerce it to the parameter's type.
type Execute struct {
	Name string
	Args []Expr
}

// Deallocate is DEALLOCATE name; All is DEALLOCATE ALL.
type Deallocate struct {
	Name string
	All  bool
}

// DeclareCursor is DECLARE name CURSOR FOR query.
type DeclareCursor struct {
	Name     string
	Binary   bool
	Scroll   *bool // nil: not said
	Hold     bool
	Query    *Plan
	QueryRef *Statement
}

// FetchDirection says where FETCH and MOVE go.
type FetchDirection uint8

// The directions. Count is the number of rows, All means FetchAll.
const (
	FetchForward  FetchDirection = iota // FORWARD count, NEXT, ALL
	FetchBackward                       // BACKWARD count, PRIOR
	FetchAbsolute                       // ABSOLUTE count, FIRST, LAST (-1)
	FetchRelative                       // RELATIVE count
)

// FetchAll as a Count means all remaining rows.
const FetchAll = int64(1<<63 - 1)

// Fetch is FETCH, or MOVE.
type Fetch struct {
	Cursor    string
	Direction FetchDirection
	Count     int64
	Move      bool
}

// CloseCursor is CLOSE name; All is CLOSE ALL.
type CloseCursor struct {
	Name string
	All  bool
}

// ---- queries about queries

// Explain is EXPLAIN.
type Explain struct {
	Analyze, Verbose, Costs, Timing, Buffers, Settings, Wal, Summary bool
	SummarySet                                                       bool
	Format                                                           string // "text", "json", "xml", "yaml"
	Plan                                                             *Plan
	Statement                                                        *Statement
}

// Copy is COPY relation FROM/TO or COPY (query) TO.
type Copy struct {
	Relation *Relation // nil: a query
	Columns  []int     // positions in Relation.Columns that travel, in order
	Query    *Plan     // COPY (query) TO; for COPY relation TO the SELECT that reads Columns
	From     bool
	File     string // server file name; "" = STDIN or STDOUT
	Program  bool
	Options  CopyOptions
	Where    Expr // COPY FROM ... WHERE, over Env.Row; nil = none
}

// CopyOptions are checked: combinations that PostgreSQL refuses do not get here.
type CopyOptions struct {
	Format     string // "text", "csv", "binary"
	Delimiter  byte   // default tab, or comma for csv
	Null       string // default \N, or "" for csv
	Header     string // "", "true", "match"
	Quote      byte   // csv, default "
	Escape     byte   // csv, default Quote
	ForceQuote []int  // csv TO: positions in Copy.Columns
	ForceAll   bool   // FORCE_QUOTE *
	ForceNotNull,
	ForceNull []int // csv FROM: positions in Copy.Columns
	Encoding string
	Freeze   bool
}

// ---- tables

// CreateTable is CREATE TABLE; with As, CREATE TABLE AS or SELECT INTO.
type CreateTable struct {
	Name        Name
	IfNotExists bool
	Temporary   bool
	Columns     []ColumnDef
	Keys        []KeyDef
	Checks      []CheckDef
	Parameters  []Parameter
	OnCommit    string // "", "delete rows", "drop", "preserve rows"
	As          *Plan  // its Columns give the types where ColumnDef has OID 0; then Columns holds names only
	WithNoData  bool
	Like        []LikeDef
}

// LikeDef is LIKE relation: copy its columns behind position At of Columns.
type LikeDef struct {
	Relation                               *Relation
	At                                     int
	Defaults, Constraints, Identity, Index bool
}

// IdentityKind says how a column gets its number.
type IdentityKind uint8

// The kinds of identity.
const (
	NoIdentity IdentityKind = iota
	IdentityAlways
	IdentityByDefault
	IdentitySerial
)

// ColumnDef is one column of CREATE TABLE or ALTER TABLE ADD COLUMN. PRIMARY KEY, UNIQUE and CHECK of the column are
// in the statement's Keys and Checks.
type ColumnDef struct {
	Name          string
	Type          types.Type
	NotNull       bool
	Default       string // SQL text; "" none
	DefaultExpr   Expr
	Identity      IdentityKind
	IdentityStart *int64
	Collation     string
}

// KeyDef is PRIMARY KEY or UNIQUE; Name "" = choose.
type KeyDef struct {
	Name    string
	Columns []string
	Primary bool
}

// CheckDef is CHECK (expr); Columns are those that it names. Name "" = choose.
type CheckDef struct {
	Name    string
	Expr    string
	Columns []string
}

// CreateIndex is CREATE INDEX.
type CreateIndex struct {
	Name         string // "" = choose
	Relation     *Relation
	Method       string // "btree" when not said, "hnsw", "ivfflat", "hash", "gin", ...
	Unique       bool
	Concurrently bool
	IfNotExists  bool
	Columns      []IndexColumn
	Include      []int
	Parameters   []Parameter // m, ef_construction, lists, fillfactor ...
	Where        string
}

// IndexColumn is one key of an index.
type IndexColumn struct {
	Column     int    // position in Relation.Columns; -1 for an expression
	Expr       string // SQL text of an expression
	OpClass    string // "vector_cosine_ops", ...; "" default
	Desc       bool
	NullsFirst bool
}

// AlterTable is ALTER TABLE (or ALTER INDEX/VIEW for the renames); the actions apply in order, all or none.
type AlterTable struct {
	Name     Name
	Relation *Relation // nil with IfExists and no such relation
	IfExists bool
	Kind     ObjectKind
	Actions  []any // AddColumn, DropColumn, ...
}

// Actions of AlterTable.
type (
	AddColumn struct {
		Column      ColumnDef
		Keys        []KeyDef
		Checks      []CheckDef
		IfNotExists bool
	}
	DropColumn struct {
		Name     string
		IfExists bool
		Cascade  bool
	}
	RenameColumn struct{ From, To string }
	RenameTable  struct{ To string }
	SetSchema    struct{ Schema string }
	// SetDefault has Expr "" for DROP DEFAULT.
	SetDefault struct {
		Column      string
		Expr        string
		DefaultExpr Expr
	}
	SetNotNull struct {
		Column  string
		NotNull bool
	}
	SetType struct {
		Column string
		Type   types.Type
		Using  Expr // over Env.Row, of Type; nil = cast
	}
	AddKey         struct{ Key KeyDef }
	AddCheck       struct{ Check CheckDef }
	DropConstraint struct {
		Name     string
		IfExists bool
		Cascade  bool
	}
	RenameConstraint struct{ From, To string }
	SetParameters    struct{ Parameters []Parameter }
	ResetParameters  struct{ Names []string }
	SetOwner         struct{ Role string }
	// SetIdentity adds or changes an identity; NoIdentity drops it.
	SetIdentity struct {
		Column   string
		Identity IdentityKind
		IfExists bool
		Restart  *int64
	}
)

// ObjectKind names a kind of object in DROP, COMMENT, GRANT and ALTER.
type ObjectKind string

// The kinds of objects.
const (
	ObjectTable      ObjectKind = "table"
	ObjectIndex      ObjectKind = "index"
	ObjectView       ObjectKind = "view"
	ObjectSchema     ObjectKind = "schema"
	ObjectSequence   ObjectKind = "sequence"
	ObjectColumn     ObjectKind = "column"
	ObjectConstraint ObjectKind = "constraint"
	ObjectDatabase   ObjectKind = "database"
	ObjectExtension  ObjectKind = "extension"
	ObjectRole       ObjectKind = "role"
	ObjectFunction   ObjectKind = "function"
	ObjectType       ObjectKind = "type"
)

// Drop is DROP of tables, indexes, views, schemas, sequences or extensions.
type Drop struct {
	Kind         ObjectKind
	Names        []Name // a schema's or extension's own name is Name.Name
	IfExists     bool
	Cascade      bool
	Concurrently bool
}

// Truncate is TRUNCATE.
type Truncate struct {
	Relations       []*Relation
	RestartIdentity bool
	Cascade         bool
}

// CreateSchema is CREATE SCHEMA.
type CreateSchema struct {
	Name        string
	IfNotExists bool
	Owner       string
}

// CreateView is CREATE VIEW; Query is the SELECT's text, already analysed once as Plan.
type CreateView struct {
	Name      Name
	Columns   []string // names given in the statement; may be fewer than Plan.Columns
	Query     string
	Plan      *Plan
	Replace   bool
	Temporary bool
}

// CreateSequence is CREATE SEQUENCE.
type CreateSequence struct {
	Name             Name
	IfNotExists      bool
	Temporary        bool
	Start, Increment int64
	Minimum, Maximum *int64
	Cycle            bool
}

// Comment is COMMENT ON; Text nil is IS NULL. Part is the column or constraint.
type Comment struct {
	Kind ObjectKind
	Name Name
	Part string
	Text *string
}

// Vacuum is VACUUM or ANALYZE.
type Vacuum struct {
	Vacuum, Analyze, Full, Verbose bool
	Relations                      []*Relation // none = all
}

// Checkpoint is CHECKPOINT.
type Checkpoint struct{}

// Reindex is REINDEX of an index, a table, a schema or the database.
type Reindex struct {
	Kind         ObjectKind
	Name         Name
	Concurrently bool
}

// Lock is LOCK TABLE: under snapshot isolation there is nothing to wait for, but the relations must exist.
type Lock struct {
	Relations []*Relation
	Mode      string
}

// ---- roles and messages

// CreateRole is CREATE ROLE, USER or GROUP.
type CreateRole struct {
	Name    string
	Options RoleOptions
}

// AlterRole is ALTER ROLE or USER; Name may be "current_user" or "session_user" when Special is set.
type AlterRole struct {
	Name    string
	Special bool
	Options RoleOptions
	Set     *Set   // ALTER ROLE name SET parameter
	Reset   *Reset // ALTER ROLE name RESET parameter
}

// RoleOptions are the attributes that a statement gives; nil = not given.
type RoleOptions struct {
	Password     *string // the clear text or a verifier; NullPassword for PASSWORD NULL
	NullPassword bool
	Superuser, Login, CreateDB, CreateRole, Inherit, Replication,
	BypassRLS *bool
	ConnectionLimit *int
	ValidUntil      *string
	InRoles         []string
}

// DropRole is DROP ROLE or USER.
type DropRole struct {
	Names    []string
	IfExists bool
}

// RenameRole is ALTER ROLE name RENAME TO.
type RenameRole struct{ From, To string }

// Grant is GRANT or REVOKE of privileges on objects, or of membership when Roles is set.
type Grant struct {
	Revoke      bool
	Privileges  []string // lower case; none = ALL
	Kind        ObjectKind
	Objects     []Name
	AllInSchema []string // ... ON ALL TABLES IN SCHEMA
	Roles       []string // granted roles
	Grantees    []string // "public" for PUBLIC
	Option      bool     // WITH GRANT OPTION, WITH ADMIN OPTION
	Cascade     bool
}

// CreateExtension is CREATE EXTENSION.
type CreateExtension struct {
	Name        string
	IfNotExists bool
	Schema      string
	Version     string
}

// CreateDatabase is CREATE DATABASE.
type CreateDatabase struct{ Name string }

// DropDatabase is DROP DATABASE.
type DropDatabase struct {
	Name     string
	IfExists bool
}

// Listen is LISTEN channel.
type Listen struct{ Channel string }

// Unlisten is UNLISTEN channel; All is UNLISTEN *.
type Unlisten struct {
	Channel string
	All     bool
}

// Notify is NOTIFY channel, payload.
type Notify struct{ Channel, Payload string }

// Call is CALL function(arguments) and the DO of an unsupported language ends in an error before it gets here.
type Call struct {
	Function Name
	Args     []Expr
}
