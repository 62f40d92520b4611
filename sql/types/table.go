package types

// Description is what pg_type knows about a type.
type Description struct {
	OID       uint32
	Array     uint32 // the array type of this type, 0 when there is none
	Elem      uint32 // the element type when this is an array, int2vector or oidvector, else 0
	Name      string // typname
	SQLName   string // as format_type spells it without a modifier
	Len       int16  // typlen: bytes, -1 for varying, -2 for a C string
	ByVal     bool
	Align     byte // 'c', 's', 'i' or 'd'
	Storage   byte // 'p', 'x', 'm' or 'e'
	Category  byte // typcategory: 'N' number, 'S' string, 'A' array ...
	Preferred bool
	Pseudo    bool // typtype 'p'
}

// base lists every type that is not an array of another one; describe derives the arrays.
var base = []Description{
	{OID: 16, Array: 1000, Name: "bool", SQLName: `boolean`, Len: 1, ByVal: true, Align: 'c', Storage: 'p', Category: 'B', Preferred: true},
	{OID: 17, Array: 1001, Name: "bytea", SQLName: `bytea`, Len: -1, Align: 'i', Storage: 'x', Category: 'U'},
	{OID: 18, Array: 1002, Name: "char", SQLName: `"char"`, Len: 1, ByVal: true, Align: 'c', Storage: 'p', Category: 'Z'},
	{OID: 19, Array: 1003, Name: "name", SQLName: `name`, Len: 64, Align: 'c', Storage: 'p', Category: 'S'},
	{OID: 20, Array: 1016, Name: "int8", SQLName: `bigint`, Len: 8, ByVal: true, Align: 'd', Storage: 'p', Category: 'N'},
	{OID: 21, Array: 1005, Name: "int2", SQLName: `smallint`, Len: 2, ByVal: true, Align: 's', Storage: 'p', Category: 'N'},
	{OID: 22, Array: 1006, Elem: 21, Name: "int2vector", SQLName: `int2vector`, Len: -1, Align: 'i', Storage: 'p', Category: 'A'},
	{OID: 23, Array: 1007, Name: "int4", SQLName: `integer`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 24, Array: 1008, Name: "regproc", SQLName: `regproc`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 25, Array: 1009, Name: "text", SQLName: `text`, Len: -1, Align: 'i', Storage: 'x', Category: 'S', Preferred: true},
	{OID: 26, Array: 1028, Name: "oid", SQLName: `oid`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N', Preferred: true},
	{OID: 27, Array: 1010, Name: "tid", SQLName: `tid`, Len: 6, Align: 's', Storage: 'p', Category: 'U'},
	{OID: 28, Array: 1011, Name: "xid", SQLName: `xid`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'U'},
	{OID: 29, Array: 1012, Name: "cid", SQLName: `cid`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'U'},
	{OID: 30, Array: 1013, Elem: 26, Name: "oidvector", SQLName: `oidvector`, Len: -1, Align: 'i', Storage: 'p', Category: 'A'},
	{OID: 114, Array: 199, Name: "json", SQLName: `json`, Len: -1, Align: 'i', Storage: 'x', Category: 'U'},
	{OID: 142, Array: 143, Name: "xml", SQLName: `xml`, Len: -1, Align: 'i', Storage: 'x', Category: 'U'},
	{OID: 194, Name: "pg_node_tree", SQLName: `pg_node_tree`, Len: -1, Align: 'i', Storage: 'x', Category: 'Z'},
	{OID: 650, Array: 651, Name: "cidr", SQLName: `cidr`, Len: -1, Align: 'i', Storage: 'm', Category: 'I'},
	{OID: 700, Array: 1021, Name: "float4", SQLName: `real`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 701, Array: 1022, Name: "float8", SQLName: `double precision`, Len: 8, ByVal: true, Align: 'd', Storage: 'p', Category: 'N', Preferred: true},
	{OID: 705, Name: "unknown", SQLName: `unknown`, Len: -2, Align: 'c', Storage: 'p', Category: 'X'},
	{OID: 790, Array: 791, Name: "money", SQLName: `money`, Len: 8, ByVal: true, Align: 'd', Storage: 'p', Category: 'N'},
	{OID: 869, Array: 1041, Name: "inet", SQLName: `inet`, Len: -1, Align: 'i', Storage: 'm', Category: 'I', Preferred: true},
	{OID: 1033, Array: 1034, Name: "aclitem", SQLName: `aclitem`, Len: 12, Align: 'i', Storage: 'p', Category: 'U'},
	{OID: 1042, Array: 1014, Name: "bpchar", SQLName: `character`, Len: -1, Align: 'i', Storage: 'x', Category: 'S'},
	{OID: 1043, Array: 1015, Name: "varchar", SQLName: `character varying`, Len: -1, Align: 'i', Storage: 'x', Category: 'S'},
	{OID: 1082, Array: 1182, Name: "date", SQLName: `date`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'D'},
	{OID: 1083, Array: 1183, Name: "time", SQLName: `time without time zone`, Len: 8, ByVal: true, Align: 'd', Storage: 'p', Category: 'D'},
	{OID: 1114, Array: 1115, Name: "timestamp", SQLName: `timestamp without time zone`, Len: 8, ByVal: true, Align: 'd', Storage: 'p', Category: 'D'},
	{OID: 1184, Array: 1185, Name: "timestamptz", SQLName: `timestamp with time zone`, Len: 8, ByVal: true, Align: 'd', Storage: 'p', Category: 'D', Preferred: true},
	{OID: 1186, Array: 1187, Name: "interval", SQLName: `interval`, Len: 16, Align: 'd', Storage: 'p', Category: 'T', Preferred: true},
	{OID: 1266, Array: 1270, Name: "timetz", SQLName: `time with time zone`, Len: 12, Align: 'd', Storage: 'p', Category: 'D'},
	{OID: 1560, Array: 1561, Name: "bit", SQLName: `bit`, Len: -1, Align: 'i', Storage: 'x', Category: 'V'},
	{OID: 1562, Array: 1563, Name: "varbit", SQLName: `bit varying`, Len: -1, Align: 'i', Storage: 'x', Category: 'V', Preferred: true},
	{OID: 1700, Array: 1231, Name: "numeric", SQLName: `numeric`, Len: -1, Align: 'i', Storage: 'm', Category: 'N'},
	{OID: 1790, Array: 2201, Name: "refcursor", SQLName: `refcursor`, Len: -1, Align: 'i', Storage: 'x', Category: 'U'},
	{OID: 2202, Array: 2207, Name: "regprocedure", SQLName: `regprocedure`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 2203, Array: 2208, Name: "regoper", SQLName: `regoper`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 2204, Array: 2209, Name: "regoperator", SQLName: `regoperator`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 2205, Array: 2210, Name: "regclass", SQLName: `regclass`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 2206, Array: 2211, Name: "regtype", SQLName: `regtype`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 2249, Array: 2287, Name: "record", SQLName: `record`, Len: -1, Align: 'd', Storage: 'x', Category: 'P', Pseudo: true},
	{OID: 2275, Array: 1263, Name: "cstring", SQLName: `cstring`, Len: -2, Align: 'c', Storage: 'p', Category: 'P', Pseudo: true},
	{OID: 2276, Name: "any", SQLName: `"any"`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'P', Pseudo: true},
	{OID: 2277, Name: "anyarray", SQLName: `anyarray`, Len: -1, Align: 'd', Storage: 'x', Category: 'P', Pseudo: true},
	{OID: 2278, Name: "void", SQLName: `void`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'P', Pseudo: true},
	{OID: 2279, Name: "trigger", SQLName: `trigger`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'P', Pseudo: true},
	{OID: 2281, Name: "internal", SQLName: `internal`, Len: 8, ByVal: true, Align: 'd', Storage: 'p', Category: 'P', Pseudo: true},
	{OID: 2283, Name: "anyelement", SQLName: `anyelement`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'P', Pseudo: true},
	{OID: 2776, Name: "anynonarray", SQLName: `anynonarray`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'P', Pseudo: true},
	{OID: 2950, Array: 2951, Name: "uuid", SQLName: `uuid`, Len: 16, Align: 'c', Storage: 'p', Category: 'U'},
	{OID: 3220, Array: 3221, Name: "pg_lsn", SQLName: `pg_lsn`, Len: 8, ByVal: true, Align: 'd', Storage: 'p', Category: 'U'},
	{OID: 3361, Name: "pg_ndistinct", SQLName: `pg_ndistinct`, Len: -1, Align: 'i', Storage: 'x', Category: 'Z'},
	{OID: 3402, Name: "pg_dependencies", SQLName: `pg_dependencies`, Len: -1, Align: 'i', Storage: 'x', Category: 'Z'},
	{OID: 3614, Array: 3643, Name: "tsvector", SQLName: `tsvector`, Len: -1, Align: 'i', Storage: 'x', Category: 'U'},
	{OID: 3615, Array: 3645, Name: "tsquery", SQLName: `tsquery`, Len: -1, Align: 'i', Storage: 'p', Category: 'U'},
	{OID: 3734, Array: 3735, Name: "regconfig", SQLName: `regconfig`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 3769, Array: 3770, Name: "regdictionary", SQLName: `regdictionary`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 3802, Array: 3807, Name: "jsonb", SQLName: `jsonb`, Len: -1, Align: 'i', Storage: 'x', Category: 'U'},
	{OID: 4072, Array: 4073, Name: "jsonpath", SQLName: `jsonpath`, Len: -1, Align: 'i', Storage: 'x', Category: 'U'},
	{OID: 4089, Array: 4090, Name: "regnamespace", SQLName: `regnamespace`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 4096, Array: 4097, Name: "regrole", SQLName: `regrole`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 4191, Array: 4192, Name: "regcollation", SQLName: `regcollation`, Len: 4, ByVal: true, Align: 'i', Storage: 'p', Category: 'N'},
	{OID: 5017, Name: "pg_mcv_list", SQLName: `pg_mcv_list`, Len: -1, Align: 'i', Storage: 'x', Category: 'Z'},
	{OID: 5038, Array: 5039, Name: "pg_snapshot", SQLName: `pg_snapshot`, Len: -1, Align: 'd', Storage: 'x', Category: 'U'},
	{OID: 5069, Array: 271, Name: "xid8", SQLName: `xid8`, Len: 8, ByVal: true, Align: 'd', Storage: 'p', Category: 'U'},
	{OID: VectorOID, Array: VectorArrayOID, Name: "vector", SQLName: `vector`, Len: -1, Align: 'i', Storage: 'e', Category: 'U'},
	{OID: HalfvecOID, Array: HalfvecArrayOID, Name: "halfvec", SQLName: `halfvec`, Len: -1, Align: 'i', Storage: 'e', Category: 'U'},
	{OID: SparsevecOID, Array: SparsevecArrayOID, Name: "sparsevec", SQLName: `sparsevec`, Len: -1, Align: 'i', Storage: 'e', Category: 'U'},
}
