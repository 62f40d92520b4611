package sql

import (
	"math"
	"runtime"
	"strings"
	"time"

	"engram/sql/types"
)

// serverVersion is the version of PostgreSQL whose behaviour clients may expect.
const (
	serverVersion    = "15.13"
	serverVersionNum = "150013"
)

// PostgreSQL's names of the groups of settings.
const (
	groupConnection = "Connections and Authentication / Connection Settings"
	groupDefaults   = "Client Connection Defaults / Statement Behavior"
	groupLocale     = "Client Connection Defaults / Locale and Formatting"
	groupLogging    = "Reporting and Logging / When to Log"
	groupMemory     = "Resource Usage / Memory"
	groupPreset     = "Preset Options"
	groupPlanner    = "Query Tuning / Planner Method Configuration"
	groupCompat     = "Version and Platform Compatibility / Previous PostgreSQL Versions"
	groupWAL        = "Write-Ahead Log / Settings"
	groupVector     = "Customized Options"
)

var isolationLevels = []string{"serializable", "repeatable read", "read committed", "read uncommitted"}
var messageLevels = []string{"debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error"}

const maxInt = math.MaxInt32

// settingTable is every setting that is known by name. Those whose group is the planner's and the like change nothing
// here; they are known because clients set them.
var settingTable = []setting{
	str("application_name", "", groupLogging, "Sets the application name to be reported in statistics and logs.").reported().checked(checkName),
	enum("backslash_quote", "safe_encoding", groupCompat, `Sets whether "\'" is allowed in string literals.`, "safe_encoding", "on", "off"),
	enum("bytea_output", "hex", groupDefaults, "Sets the output format for bytea.", "escape", "hex"),
	boolean("check_function_bodies", "on", groupDefaults, "Check routine bodies during CREATE FUNCTION and CREATE PROCEDURE."),
	str("client_encoding", "UTF8", groupLocale, "Sets the client's character set encoding.").reported().checked(checkEncoding),
	enum("client_min_messages", "notice", groupDefaults, "Sets the message levels that are sent to the client.", messageLevels...),
	enum("constraint_exclusion", "partition", groupPlanner, "Enables the planner to use constraints to optimize queries.", "partition", "on", "off"),
	real("cursor_tuple_fraction", "0.1", 0, 1, groupPlanner, "Sets the planner's estimate of the fraction of a cursor's rows that will be retrieved."),
	str("DateStyle", "ISO, MDY", groupLocale, "Sets the display format for date and time values.").reported(),
	str("default_tablespace", "", groupDefaults, "Sets the default tablespace to create tables and indexes in."),
	str("default_table_access_method", "heap", groupDefaults, "Sets the default table access method for new tables."),
	str("default_text_search_config", "pg_catalog.english", groupLocale, "Sets default text search configuration."),
	boolean("default_transaction_deferrable", "off", groupDefaults, "Sets the default deferrable status of new transactions."),
	enum("default_transaction_isolation", "read committed", groupDefaults, "Sets the transaction isolation level of each new transaction.", isolationLevels...),
	boolean("default_transaction_read_only", "off", groupDefaults, "Sets the default read-only status of new transactions.").reported(),
	number("effective_cache_size", "524288", "8kB", 1, maxInt, groupPlanner, "Sets the planner's assumption about the total size of the data caches."),
	number("effective_io_concurrency", "1", "", 0, 1000, groupPlanner, "Number of simultaneous requests that can be handled efficiently by the disk subsystem."),
	boolean("enable_bitmapscan", "on", groupPlanner, "Enables the planner's use of bitmap-scan plans."),
	boolean("enable_hashagg", "on", groupPlanner, "Enables the planner's use of hashed aggregation plans."),
	boolean("enable_hashjoin", "on", groupPlanner, "Enables the planner's use of hash join plans."),
	boolean("enable_indexonlyscan", "on", groupPlanner, "Enables the planner's use of index-only-scan plans."),
	boolean("enable_indexscan", "on", groupPlanner, "Enables the planner's use of index-scan plans."),
	boolean("enable_mergejoin", "on", groupPlanner, "Enables the planner's use of merge join plans."),
	boolean("enable_nestloop", "on", groupPlanner, "Enables the planner's use of nested-loop join plans."),
	boolean("enable_seqscan", "on", groupPlanner, "Enables the planner's use of sequential-scan plans."),
	boolean("enable_sort", "on", groupPlanner, "Enables the planner's use of explicit sort steps."),
	boolean("escape_string_warning", "on", groupCompat, "Warn about backslash escapes in ordinary string literals."),
	number("extra_float_digits", "1", "", -15, 3, groupLocale, "Sets the number of digits displayed for floating-point values."),
	boolean("geqo", "on", groupPlanner, "Enables genetic query optimization."),
	number("gin_fuzzy_search_limit", "0", "", 0, maxInt, groupDefaults, "Sets the maximum allowed result for exact search by GIN."),
	number("hnsw.ef_search", "64", "", 1, 1000, groupVector, "Sets the size of the dynamic candidate list for search."),
	enum("hnsw.iterative_scan", "off", groupVector, "Sets the mode for iterative scans.", "off", "relaxed_order", "strict_order"),
	number("hnsw.max_scan_tuples", "20000", "", 1, maxInt, groupVector, "Sets the maximum number of tuples to visit for iterative scans."),
	real("hnsw.scan_mem_multiplier", "1", 1, 1000, groupVector, "Sets the multiple of work_mem to use for iterative scans."),
	number("idle_in_transaction_session_timeout", "0", "ms", 0, maxInt, groupDefaults, "Sets the maximum allowed idle time between queries, when in a transaction."),
	number("idle_session_timeout", "0", "ms", 0, maxInt, groupDefaults, "Sets the maximum allowed idle time between queries, when not in a transaction."),
	boolean("in_hot_standby", "off", groupPreset, "Shows whether hot standby is currently active.").in(internalContext).reported(),
	boolean("integer_datetimes", "on", groupPreset, "Shows whether datetimes are integer based.").in(internalContext).reported(),
	enum("IntervalStyle", "postgres", groupLocale, "Sets the display format for interval values.", "postgres", "postgres_verbose", "sql_standard", "iso_8601").reported(),
	str("is_superuser", "off", groupPreset, "Shows whether the current user is a superuser.").in(internalContext).reported(),
	enum("ivfflat.iterative_scan", "off", groupVector, "Sets the mode for iterative scans.", "off", "relaxed_order"),
	number("ivfflat.max_probes", "32768", "", 1, 32768, groupVector, "Sets the max number of probes for iterative scans."),
	number("ivfflat.probes", "0", "", 1, 32768, groupVector, "Sets the number of probes; 0 lets the index choose."),
	boolean("jit", "off", groupPlanner, "Allow JIT compilation."),
	str("lc_collate", "C", groupPreset, "Shows the collation order locale.").in(internalContext),
	str("lc_ctype", "C.UTF-8", groupPreset, "Shows the character classification and case conversion locale.").in(internalContext),
	str("lc_messages", "C", groupLocale, "Sets the language in which messages are displayed."),
	str("lc_monetary", "C", groupLocale, "Sets the locale for formatting monetary amounts."),
	str("lc_numeric", "C", groupLocale, "Sets the locale for formatting numbers."),
	str("lc_time", "C", groupLocale, "Sets the locale for formatting date and time values."),
	str("listen_addresses", "localhost", groupConnection, "Sets the host name or IP address(es) to listen to.").in(fixedContext),
	number("lock_timeout", "0", "ms", 0, maxInt, groupDefaults, "Sets the maximum allowed duration of any wait for a lock."),
	number("log_min_duration_statement", "-1", "ms", -1, maxInt, groupLogging, "Sets the minimum execution time above which all statements will be logged.").in(superuserContext),
	enum("log_statement", "none", groupLogging, "Sets the type of statements logged.", "none", "ddl", "mod", "all").in(superuserContext),
	number("maintenance_work_mem", "65536", "kB", 1024, maxInt, groupMemory, "Sets the maximum memory to be used for maintenance operations."),
	number("max_connections", "100", "", 1, 262143, groupConnection, "Sets the maximum number of concurrent connections.").in(fixedContext),
	number("max_identifier_length", "63", "", 63, 63, groupPreset, "Shows the maximum identifier length.").in(internalContext),
	number("max_index_keys", "32", "", 32, 32, groupPreset, "Shows the maximum number of index keys.").in(internalContext),
	number("max_parallel_workers_per_gather", "2", "", 0, 1024, groupPlanner, "Sets the maximum number of parallel processes per executor node."),
	number("max_stack_depth", "2048", "kB", 100, maxInt, groupMemory, "Sets the maximum stack depth.").in(superuserContext),
	enum("password_encryption", "scram-sha-256", groupConnection, "Chooses the algorithm for encrypting passwords.", "scram-sha-256"),
	enum("plan_cache_mode", "auto", groupPlanner, "Controls the planner's selection of custom or generic plan.", "auto", "force_generic_plan", "force_custom_plan"),
	number("port", "5432", "", 1, 65535, groupConnection, "Sets the TCP port the server listens on.").in(fixedContext),
	boolean("quote_all_identifiers", "off", groupCompat, "When generating SQL fragments, quote all identifiers."),
	real("random_page_cost", "4", 0, math.MaxFloat64, groupPlanner, "Sets the planner's estimate of the cost of a nonsequentially fetched disk page."),
	str("role", "none", groupDefaults, "Sets the current role."),
	boolean("row_security", "on", groupDefaults, "Enable row security."),
	str("search_path", `"$user", public`, groupDefaults, "Sets the schema search order for names that are not schema-qualified."),
	real("seed", "0", -1, 1, groupDefaults, "Sets the seed for random-number generation."),
	real("seq_page_cost", "1", 0, math.MaxFloat64, groupPlanner, "Sets the planner's estimate of the cost of a sequentially fetched disk page."),
	str("server_encoding", "UTF8", groupPreset, "Shows the server (database) character set encoding.").in(internalContext).reported(),
	str("server_version", serverVersion, groupPreset, "Shows the server version.").in(internalContext).reported(),
	number("server_version_num", serverVersionNum, "", 150000, 159999, groupPreset, "Shows the server version as an integer.").in(internalContext),
	str("session_authorization", "", groupDefaults, "Sets the session user name.").in(internalContext).reported(),
	str("session_replication_role", "origin", groupDefaults, "Sets the session's behavior for triggers and rewrite rules.").in(superuserContext),
	number("shared_buffers", "16384", "8kB", 16, maxInt, groupMemory, "Sets the number of shared memory buffers used by the server.").in(fixedContext),
	boolean("standard_conforming_strings", "on", groupCompat, "Causes '...' strings to treat backslashes literally.").reported().checked(checkStrings),
	number("statement_timeout", "0", "ms", 0, maxInt, groupDefaults, "Sets the maximum allowed duration of any statement."),
	boolean("synchronize_seqscans", "on", groupCompat, "Enable synchronized sequential scans."),
	enum("synchronous_commit", "on", groupWAL, "Sets the current transaction's synchronization level.", "local", "remote_write", "remote_apply", "on", "off"),
	number("tcp_keepalives_idle", "0", "s", 0, maxInt, groupConnection, "Time between issuing TCP keepalives."),
	number("temp_buffers", "1024", "8kB", 100, maxInt, groupMemory, "Sets the maximum number of temporary buffers used by each session."),
	str("TimeZone", "UTC", groupLocale, "Sets the time zone for displaying and interpreting time stamps.").reported().checked(checkTimeZone),
	str("timezone_abbreviations", "Default", groupLocale, "Selects a file of time zone abbreviations."),
	boolean("transaction_deferrable", "off", groupDefaults, "Whether to defer a read-only serializable transaction until it can be executed with no possible serialization failures."),
	enum("transaction_isolation", "read committed", groupDefaults, "Sets the current transaction's isolation level.", isolationLevels...),
	boolean("transaction_read_only", "off", groupDefaults, "Sets the current transaction's read-only status."),
	boolean("transform_null_equals", "off", groupCompat, "Treats \"expr=NULL\" as \"expr IS NULL\"."),
	number("vacuum_freeze_min_age", "50000000", "", 0, 1000000000, groupDefaults, "Minimum age at which VACUUM should freeze a table row."),
	number("work_mem", "4096", "kB", 64, maxInt, groupMemory, "Sets the maximum memory to be used for query workspaces."),
	enum("xmlbinary", "base64", groupDefaults, "Sets how binary values are to be encoded in XML.", "base64", "hex"),
	enum("xmloption", "content", groupDefaults, "Sets whether XML data is to be considered as documents or content fragments.", "content", "document"),
}

var settingIndex = func() map[string]*setting {
	m := make(map[string]*setting, len(settingTable))
	for i := range settingTable {
		m[strings.ToLower(settingTable[i].name)] = &settingTable[i]
	}
	return m
}()

func boolean(name, def, group, desc string) setting {
	return setting{name: name, kind: boolSetting, def: def, group: group, desc: desc}
}

func str(name, def, group, desc string) setting {
	return setting{name: name, kind: stringSetting, def: def, group: group, desc: desc}
}

func enum(name, def, group, desc string, values ...string) setting {
	return setting{name: name, kind: enumSetting, def: def, group: group, desc: desc, values: values}
}

func number(name, def, unit string, min, max float64, group, desc string) setting {
	return setting{name: name, kind: intSetting, def: def, unit: unit, min: min, max: max, group: group, desc: desc}
}

func real(name, def string, min, max float64, group, desc string) setting {
	return setting{name: name, kind: realSetting, def: def, min: min, max: max, group: group, desc: desc}
}

func (d setting) reported() setting           { d.report = true; return d }
func (d setting) in(c settingContext) setting { d.context = c; return d }
func (d setting) checked(f func(*Session, string) (string, error)) setting {
	d.check = f
	return d
}

// checkName keeps an application name to what PostgreSQL keeps: printable ASCII, 63 bytes.
func checkName(_ *Session, v string) (string, error) {
	b := []byte(v)
	for i, c := range b {
		if c < 32 || c > 126 {
			b[i] = '?'
		}
	}
	return string(b[:min(len(b), 63)]), nil
}

func checkEncoding(_ *Session, v string) (string, error) {
	switch strings.ToUpper(strings.NewReplacer("-", "", "_", "", " ", "").Replace(v)) {
	case "UTF8", "UNICODE":
		return "UTF8", nil
	case "SQLASCII":
		return "SQL_ASCII", nil
	}
	return "", types.Errorf(types.CodeFeatureNotSupported, "client encoding %q is not supported", v).
		WithHint("Use UTF8.")
}

// checkDateStyle reads a style, an order, or both; the one that is not named keeps its default.
func checkDateStyle(s *Session, v string) (string, error) {
	style, order := "ISO", "MDY"
	if s != nil {
		if old, ok := s.settings.get("DateStyle"); ok {
			if a, b, ok := strings.Cut(old, ", "); ok {
				style, order = a, b
			}
		}
	}
	for _, word := range strings.Split(v, ",") {
		switch w := strings.ToUpper(strings.TrimSpace(word)); {
		case w == "ISO" || w == "SQL":
			style = w
		case strings.HasPrefix(w, "POSTGRES"):
			style = "Postgres"
		case w == "GERMAN":
			style, order = "German", "DMY"
		case w == "MDY" || w == "US" || strings.HasPrefix(w, "NONEURO"):
			order = "MDY"
		case w == "DMY" || strings.HasPrefix(w, "EURO"):
			order = "DMY"
		case w == "YMD":
			order = w
		case w == "DEFAULT":
			style, order = "ISO", "MDY"
		default:
			return "", types.Errorf(types.CodeInvalidParameterValue, `invalid value for parameter "DateStyle": %q`, v)
		}
	}
	return style + ", " + order, nil
}

// checkStrings refuses the old reading of backslashes, which the parser does not know.
func checkStrings(_ *Session, v string) (string, error) {
	if v == "off" {
		return "", types.Errorf(types.CodeFeatureNotSupported, "standard_conforming_strings = off is not supported")
	}
	return v, nil
}

func checkTimeZone(_ *Session, v string) (string, error) {
	if _, err := timeZone(v); err != nil {
		return "", types.Errorf(types.CodeInvalidParameterValue, `invalid value for parameter "TimeZone": %q`, v)
	}
	if strings.EqualFold(v, "utc") || strings.EqualFold(v, "gmt") {
		return strings.ToUpper(v), nil
	}
	return v, nil
}

func checkRole(s *Session, v string) (string, error) {
	if v == "none" || s == nil || v == s.user {
		return v, nil
	}
	if _, ok, err := s.engine.Role(v); err != nil {
		return "", asError(err)
	} else if !ok {
		return "", types.Errorf(types.CodeInvalidParameterValue, "role %q does not exist", v)
	}
	if !s.superuser() {
		return "", types.Errorf(types.CodeInsufficientPrivilege, "permission denied to set role %q", v)
	}
	return v, nil
}

// timeZone finds a zone by its IANA name, by an offset in hours (positive is east) as in SET TIME ZONE 2, or by
// "<+02>-02" as PostgreSQL writes such an offset.
func timeZone(v string) (*time.Location, error) {
	switch strings.ToLower(v) {
	case "utc", "gmt", "z", "zulu", "universal":
		return time.UTC, nil
	case "local", "default", "":
		return time.UTC, nil
	}
	if name, rest, ok := strings.Cut(strings.TrimPrefix(v, "<"), ">"); ok && strings.HasPrefix(v, "<") {
		east, err := offsetSeconds(rest)
		if err != nil {
			return nil, err
		}
		return time.FixedZone(name, -east), nil // POSIX counts west of Greenwich
	}
	if east, err := offsetSeconds(v); err == nil {
		return time.FixedZone("", east), nil
	}
	if runtime.GOOS != "windows" && (strings.HasPrefix(v, "/") || strings.Contains(v, "..")) {
		return nil, errZone
	}
	loc, err := time.LoadLocation(v)
	if err != nil { // names are known whatever their case
		if loc, err2 := time.LoadLocation(zoneCase(v)); err2 == nil {
			return loc, nil
		}
	}
	return loc, err
}

// The checks that themselves look settings up.
func init() {
	settingIndex["datestyle"].check = checkDateStyle
	settingIndex["role"].check = checkRole
}
