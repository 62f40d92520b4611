package types

// OIDs of PostgreSQL's own types.
const (
	BoolOID           uint32 = 16
	ByteaOID          uint32 = 17
	QCharOID          uint32 = 18 // "char", one byte
	NameOID           uint32 = 19
	Int8OID           uint32 = 20
	Int2OID           uint32 = 21
	Int2VectorOID     uint32 = 22
	Int4OID           uint32 = 23
	RegprocOID        uint32 = 24
	TextOID           uint32 = 25
	OidOID            uint32 = 26
	TidOID            uint32 = 27
	XidOID            uint32 = 28
	CidOID            uint32 = 29
	OidVectorOID      uint32 = 30
	JSONOID           uint32 = 114
	XMLOID            uint32 = 142
	PgNodeTreeOID     uint32 = 194
	CidrOID           uint32 = 650
	Float4OID         uint32 = 700
	Float8OID         uint32 = 701
	UnknownOID        uint32 = 705
	MoneyOID          uint32 = 790
	InetOID           uint32 = 869
	AclitemOID        uint32 = 1033
	BpcharOID         uint32 = 1042
	VarcharOID        uint32 = 1043
	DateOID           uint32 = 1082
	TimeOID           uint32 = 1083
	TimestampOID      uint32 = 1114
	TimestamptzOID    uint32 = 1184
	IntervalOID       uint32 = 1186
	TimetzOID         uint32 = 1266
	BitOID            uint32 = 1560
	VarbitOID         uint32 = 1562
	NumericOID        uint32 = 1700
	RefcursorOID      uint32 = 1790
	RegprocedureOID   uint32 = 2202
	RegoperOID        uint32 = 2203
	RegoperatorOID    uint32 = 2204
	RegclassOID       uint32 = 2205
	RegtypeOID        uint32 = 2206
	RecordOID         uint32 = 2249
	CstringOID        uint32 = 2275
	AnyOID            uint32 = 2276
	AnyArrayOID       uint32 = 2277
	VoidOID           uint32 = 2278
	TriggerOID        uint32 = 2279
	InternalOID       uint32 = 2281
	AnyElementOID     uint32 = 2283
	AnyNonArrayOID    uint32 = 2776
	UUIDOID           uint32 = 2950
	PgLsnOID          uint32 = 3220
	PgNdistinctOID    uint32 = 3361
	PgDependenciesOID uint32 = 3402
	TsvectorOID       uint32 = 3614
	TsqueryOID        uint32 = 3615
	RegconfigOID      uint32 = 3734
	RegdictionaryOID  uint32 = 3769
	JSONBOID          uint32 = 3802
	JSONPathOID       uint32 = 4072
	RegnamespaceOID   uint32 = 4089
	RegroleOID        uint32 = 4096
	RegcollationOID   uint32 = 4191
	PgMcvListOID      uint32 = 5017
	PgSnapshotOID     uint32 = 5038
	Xid8OID           uint32 = 5069
)

// OIDs of their array types.
const (
	BoolArrayOID        uint32 = 1000
	ByteaArrayOID       uint32 = 1001
	QCharArrayOID       uint32 = 1002
	NameArrayOID        uint32 = 1003
	Int2ArrayOID        uint32 = 1005
	Int4ArrayOID        uint32 = 1007
	TextArrayOID        uint32 = 1009
	BpcharArrayOID      uint32 = 1014
	VarcharArrayOID     uint32 = 1015
	Int8ArrayOID        uint32 = 1016
	Float4ArrayOID      uint32 = 1021
	Float8ArrayOID      uint32 = 1022
	OidArrayOID         uint32 = 1028
	AclitemArrayOID     uint32 = 1034
	TimestampArrayOID   uint32 = 1115
	DateArrayOID        uint32 = 1182
	TimeArrayOID        uint32 = 1183
	TimestamptzArrayOID uint32 = 1185
	IntervalArrayOID    uint32 = 1187
	NumericArrayOID     uint32 = 1231
	TimetzArrayOID      uint32 = 1270
	BitArrayOID         uint32 = 1561
	VarbitArrayOID      uint32 = 1563
	RegclassArrayOID    uint32 = 2210
	RegtypeArrayOID     uint32 = 2211
	RecordArrayOID      uint32 = 2287
	UUIDArrayOID        uint32 = 2951
	JSONArrayOID        uint32 = 199
	JSONBArrayOID       uint32 = 3807
)

// OIDs of the types that the vector extension brings. PostgreSQL gives extensions OIDs from 16384 as they come; here
// they are fixed, so that a client may remember them from one database to the next.
const (
	VectorOID         uint32 = 16385
	VectorArrayOID    uint32 = 16386
	HalfvecOID        uint32 = 16387
	HalfvecArrayOID   uint32 = 16388
	SparsevecOID      uint32 = 16389 // reserved: no values
	SparsevecArrayOID uint32 = 16390 // reserved: no values

	// FirstUserOID is where OIDs of users' tables and other objects may begin.
	FirstUserOID uint32 = 16500
)
