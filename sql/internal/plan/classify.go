package plan

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"
)

// classify names a statement's kind and its command tag.
func classify(n *pgquery.Node) (Kind, string) {
	switch v := n.Node.(type) {
	case *pgquery.Node_SelectStmt:
		if v.SelectStmt.IntoClause != nil {
			return KindUtility, "SELECT"
		}
		return KindSelect, "SELECT"
	case *pgquery.Node_InsertStmt:
		return KindDML, "INSERT"
	case *pgquery.Node_UpdateStmt:
		return KindDML, "UPDATE"
	case *pgquery.Node_DeleteStmt:
		return KindDML, "DELETE"
	case *pgquery.Node_MergeStmt:
		return KindDML, "MERGE"
	case *pgquery.Node_TransactionStmt:
		return classifyTransaction(v.TransactionStmt)
	}
	return KindUtility, utilityTag(n)
}

func classifyTransaction(t *pgquery.TransactionStmt) (Kind, string) {
	switch t.Kind {
	case pgquery.TransactionStmtKind_TRANS_STMT_BEGIN:
		return KindBegin, "BEGIN"
	case pgquery.TransactionStmtKind_TRANS_STMT_START:
		return KindBegin, "START TRANSACTION"
	case pgquery.TransactionStmtKind_TRANS_STMT_COMMIT:
		return KindExit, "COMMIT"
	case pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK, pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO:
		return KindExit, "ROLLBACK"
	case pgquery.TransactionStmtKind_TRANS_STMT_SAVEPOINT:
		return KindControl, "SAVEPOINT"
	case pgquery.TransactionStmtKind_TRANS_STMT_RELEASE:
		return KindControl, "RELEASE"
	case pgquery.TransactionStmtKind_TRANS_STMT_PREPARE:
		return KindExit, "PREPARE TRANSACTION"
	case pgquery.TransactionStmtKind_TRANS_STMT_COMMIT_PREPARED:
		return KindUtility, "COMMIT PREPARED"
	}
	return KindUtility, "ROLLBACK PREPARED"
}

// objectWords are the words of a command tag for an object type.
var objectWords = map[pgquery.ObjectType]string{
	pgquery.ObjectType_OBJECT_TABLE: "TABLE", pgquery.ObjectType_OBJECT_INDEX: "INDEX", pgquery.ObjectType_OBJECT_VIEW: "VIEW",
	pgquery.ObjectType_OBJECT_MATVIEW: "MATERIALIZED VIEW", pgquery.ObjectType_OBJECT_SCHEMA: "SCHEMA",
	pgquery.ObjectType_OBJECT_SEQUENCE: "SEQUENCE", pgquery.ObjectType_OBJECT_EXTENSION: "EXTENSION",
	pgquery.ObjectType_OBJECT_FUNCTION: "FUNCTION", pgquery.ObjectType_OBJECT_PROCEDURE: "PROCEDURE",
	pgquery.ObjectType_OBJECT_TYPE: "TYPE", pgquery.ObjectType_OBJECT_DOMAIN: "DOMAIN", pgquery.ObjectType_OBJECT_TRIGGER: "TRIGGER",
	pgquery.ObjectType_OBJECT_AGGREGATE: "AGGREGATE", pgquery.ObjectType_OBJECT_OPERATOR: "OPERATOR",
	pgquery.ObjectType_OBJECT_COLLATION: "COLLATION", pgquery.ObjectType_OBJECT_CAST: "CAST", pgquery.ObjectType_OBJECT_RULE: "RULE",
	pgquery.ObjectType_OBJECT_POLICY: "POLICY", pgquery.ObjectType_OBJECT_FOREIGN_TABLE: "FOREIGN TABLE",
	pgquery.ObjectType_OBJECT_FOREIGN_SERVER: "SERVER", pgquery.ObjectType_OBJECT_FDW: "FOREIGN DATA WRAPPER",
	pgquery.ObjectType_OBJECT_PUBLICATION: "PUBLICATION", pgquery.ObjectType_OBJECT_SUBSCRIPTION: "SUBSCRIPTION",
	pgquery.ObjectType_OBJECT_STATISTIC_EXT: "STATISTICS", pgquery.ObjectType_OBJECT_LANGUAGE: "LANGUAGE",
	pgquery.ObjectType_OBJECT_EVENT_TRIGGER: "EVENT TRIGGER", pgquery.ObjectType_OBJECT_ACCESS_METHOD: "ACCESS METHOD",
	pgquery.ObjectType_OBJECT_COLUMN: "TABLE", pgquery.ObjectType_OBJECT_ROLE: "ROLE", pgquery.ObjectType_OBJECT_DATABASE: "DATABASE",
	pgquery.ObjectType_OBJECT_TABCONSTRAINT: "TABLE", pgquery.ObjectType_OBJECT_ROUTINE: "ROUTINE",
}

// utilityTag is the command tag of a statement that is neither a query nor a change of rows.
func utilityTag(n *pgquery.Node) string {
	switch v := n.Node.(type) {
	case *pgquery.Node_DropStmt:
		return "DROP " + objectWords[v.DropStmt.RemoveType]
	case *pgquery.Node_AlterTableStmt:
		return "ALTER " + objectWords[v.AlterTableStmt.Objtype]
	case *pgquery.Node_RenameStmt:
		if v.RenameStmt.RenameType == pgquery.ObjectType_OBJECT_COLUMN {
			return "ALTER " + objectWords[v.RenameStmt.RelationType]
		}
		return "ALTER " + objectWords[v.RenameStmt.RenameType]
	case *pgquery.Node_AlterObjectSchemaStmt:
		return "ALTER " + objectWords[v.AlterObjectSchemaStmt.ObjectType]
	case *pgquery.Node_AlterOwnerStmt:
		return "ALTER " + objectWords[v.AlterOwnerStmt.ObjectType]
	case *pgquery.Node_DefineStmt:
		return "CREATE " + objectWords[v.DefineStmt.Kind]
	case *pgquery.Node_VariableSetStmt:
		if v.VariableSetStmt.Kind == pgquery.VariableSetKind_VAR_RESET || v.VariableSetStmt.Kind == pgquery.VariableSetKind_VAR_RESET_ALL {
			return "RESET"
		}
		return "SET"
	case *pgquery.Node_GrantStmt:
		return pick(v.GrantStmt.IsGrant, "GRANT", "REVOKE")
	case *pgquery.Node_GrantRoleStmt:
		return pick(v.GrantRoleStmt.IsGrant, "GRANT ROLE", "REVOKE ROLE")
	case *pgquery.Node_DeallocateStmt:
		return pick(v.DeallocateStmt.Name == "", "DEALLOCATE ALL", "DEALLOCATE")
	case *pgquery.Node_ClosePortalStmt:
		return pick(v.ClosePortalStmt.Portalname == "", "CLOSE CURSOR ALL", "CLOSE CURSOR")
	case *pgquery.Node_FetchStmt:
		return pick(v.FetchStmt.Ismove, "MOVE", "FETCH")
	case *pgquery.Node_VacuumStmt:
		return pick(v.VacuumStmt.IsVacuumcmd, "VACUUM", "ANALYZE")
	case *pgquery.Node_CreateTableAsStmt:
		if v.CreateTableAsStmt.Objtype == pgquery.ObjectType_OBJECT_MATVIEW {
			return "CREATE MATERIALIZED VIEW"
		}
		return "SELECT"
	case *pgquery.Node_DiscardStmt:
		words := map[pgquery.DiscardMode]string{pgquery.DiscardMode_DISCARD_ALL: "ALL", pgquery.DiscardMode_DISCARD_PLANS: "PLANS",
			pgquery.DiscardMode_DISCARD_SEQUENCES: "SEQUENCES", pgquery.DiscardMode_DISCARD_TEMP: "TEMP"}
		return "DISCARD " + words[v.DiscardStmt.Target]
	}
	name := nodeName(n)
	if tag, ok := simpleTags[name]; ok {
		return tag
	}
	return statementWords(name)
}

// simpleTags are the tags of statements that have one only.
var simpleTags = map[string]string{
	"CreateStmt": "CREATE TABLE", "IndexStmt": "CREATE INDEX", "ViewStmt": "CREATE VIEW", "CreateSchemaStmt": "CREATE SCHEMA",
	"CreateSeqStmt": "CREATE SEQUENCE", "CreateRoleStmt": "CREATE ROLE", "AlterRoleStmt": "ALTER ROLE", "AlterRoleSetStmt": "ALTER ROLE",
	"DropRoleStmt": "DROP ROLE", "TruncateStmt": "TRUNCATE TABLE", "VariableShowStmt": "SHOW", "PrepareStmt": "PREPARE",
	"ExecuteStmt": "EXECUTE", "DeclareCursorStmt": "DECLARE CURSOR", "CopyStmt": "COPY", "ExplainStmt": "EXPLAIN",
	"CommentStmt": "COMMENT", "ListenStmt": "LISTEN", "UnlistenStmt": "UNLISTEN", "NotifyStmt": "NOTIFY",
	"CreateExtensionStmt": "CREATE EXTENSION", "CheckPointStmt": "CHECKPOINT", "ReindexStmt": "REINDEX", "LockStmt": "LOCK TABLE",
	"DoStmt": "DO", "CallStmt": "CALL", "CreatedbStmt": "CREATE DATABASE", "DropdbStmt": "DROP DATABASE", "ConstraintsSetStmt": "SET CONSTRAINTS",
	"AlterSeqStmt": "ALTER SEQUENCE", "CreateTrigStmt": "CREATE TRIGGER", "CreateFunctionStmt": "CREATE FUNCTION",
	"AlterSystemStmt": "ALTER SYSTEM", "AlterDatabaseSetStmt": "ALTER DATABASE", "ClusterStmt": "CLUSTER", "LoadStmt": "LOAD",
	"RuleStmt": "CREATE RULE", "CreateEnumStmt": "CREATE TYPE", "CompositeTypeStmt": "CREATE TYPE", "CreateDomainStmt": "CREATE DOMAIN",
	"RefreshMatViewStmt": "REFRESH MATERIALIZED VIEW", "AlterDefaultPrivilegesStmt": "ALTER DEFAULT PRIVILEGES",
	"SecLabelStmt": "SECURITY LABEL", "CreatePLangStmt": "CREATE LANGUAGE", "CreateStatsStmt": "CREATE STATISTICS",
}

// nodeName is the name of a node's kind in the grammar, as "CreateTrigStmt".
func nodeName(n *pgquery.Node) string {
	if n == nil || n.Node == nil {
		return "nothing"
	}
	d := n.ProtoReflect()
	if f := d.WhichOneof(d.Descriptor().Oneofs().Get(0)); f != nil {
		return string(f.Message().Name())
	}
	return "nothing"
}

// statementWords spells the name of a statement node as words: "AlterEnumStmt" is ALTER ENUM.
func statementWords(name string) string {
	var b strings.Builder
	for i, r := range strings.TrimSuffix(name, "Stmt") {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte(' ')
		}
		b.WriteRune(r)
	}
	return strings.ToUpper(b.String())
}

func pick[T any](c bool, a, b T) T {
	if c {
		return a
	}
	return b
}
