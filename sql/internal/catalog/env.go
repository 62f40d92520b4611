package catalog

import (
	"hash/fnv"

	"engram/db"
	"engram/sql/types"
)

// Env is what catalog rows and functions may know of the session that asks.
type Env struct {
	Reader     db.Reader
	User       string // session_user and current_user
	Database   string
	SearchPath []string // without pg_catalog, which is always searched first
	PID        int32
	Setting    func(name string) (string, bool)
	Settings   func() []Setting
	Roles      func() ([]Role, error)
	Sessions   func() []SessionState
	Prepared   func() []PreparedStatement
	Cursors    func() []Cursor
	Views      func() ([]View, error)
	Indexes    func() ([]Index, error) // those that are no keys

	made *objects // objects of Reader, made when first asked for
}

// Setting is one row of pg_settings.
type Setting struct {
	Name, Value, Unit, Category, Description, Context, VarType, Boot, Reset string
	Min, Max                                                                string
	Enum                                                                    []string
}

// Role is one row of pg_authid, without its password.
type Role struct {
	Name             string
	Superuser, Login bool
}

// SessionState is one row of pg_stat_activity.
type SessionState struct {
	PID                               int32
	User, Database, Application       string
	ClientAddr                        string // without port; "" for a local session
	Started, QueryStarted, StateSince int64  // microseconds since 1970-01-01 UTC
	State, Query                      string
}

// PreparedStatement is one row of pg_prepared_statements.
type PreparedStatement struct {
	Name, Statement string
	Prepared        int64 // microseconds since 1970-01-01 UTC
	ParameterTypes  []types.Type
	FromSQL         bool
}

// Cursor is one row of pg_cursors.
type Cursor struct {
	Name, Statement          string
	Holdable, Binary, Scroll bool
	Created                  int64 // microseconds since 1970-01-01 UTC
}

// View is a view of the user's.
type View struct {
	OID          uint32
	Schema, Name string
	Definition   string // its SELECT, without semicolon
	Columns      []Column
}

// Index is an index that is no key of its table.
type Index struct {
	Schema, Name string
	Table        db.TableID
	Method       string // "btree", "hnsw", ...
	Keys         []IndexKey
	Parameters   [][2]string // names and values of WITH, in order
	Where        string      // condition of a partial index, or ""
}

// IndexKey is one column or expression of an index.
type IndexKey struct {
	Column           uint32 // db.Column.ID; 0 for an expression
	Expr             string
	OpClass          string // "" is the default of the type
	Desc, NullsFirst bool
}

// Object identifiers. Those of user objects are computed from ids that the database never reuses, so they stay the same
// over restarts without being stored: each table owns a run of tableStride numbers.
const (
	NamespaceCatalog = 11
	NamespacePublic  = 2200
	BootstrapRole    = 10
	DatabaseOID      = 16384

	firstTableOID = 100_000
	tableStride   = 8192
	rowTypeAt     = 1
	rowArrayAt    = 2
	uniqueAt      = 16   // + unique id: its index
	constraintAt  = 1024 // + unique id: its constraint
	checkAt       = 2048 // + position
	defaultAt     = 4096 // + column id
	sequenceAt    = 6144 // + column id
	namedSpan     = 1 << 24
	firstSchema   = 1 << 30
	firstRole     = firstSchema + namedSpan
	firstIndex    = firstRole + namedSpan
	firstViewType = firstIndex + namedSpan // + 2 for each view: its row type and the array of it
	firstView     = 3 << 29                // Env.Views numbers them from here
)

// TableOID is the pg_class.oid of a table.
func TableOID(id db.TableID) uint32 { return firstTableOID + uint32(id)*tableStride }

func namedOID(first uint32, name string) uint32 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return first + h.Sum32()%namedSpan
}

// SchemaOID is the pg_namespace.oid of a schema.
func SchemaOID(name string) uint32 {
	switch name {
	case "pg_catalog":
		return NamespaceCatalog
	case "public":
		return NamespacePublic
	case "information_schema":
		return namespaceInformation
	case "pg_toast":
		return 99
	}
	return namedOID(firstSchema, name)
}

// IndexOID is the pg_class.oid of an index that is no key of its table.
func IndexOID(schema, name string) uint32 { return namedOID(firstIndex, schema+"."+name) }

// RoleOID is the pg_authid.oid of a role; the role that the first start makes is PostgreSQL's bootstrap role.
func RoleOID(name string) uint32 {
	if name == "engram" {
		return BootstrapRole
	}
	return namedOID(firstRole, name)
}
