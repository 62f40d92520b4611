// Package types answers one question: how does PostgreSQL spell a value?
//
// It knows the types that clients may meet (their OIDs, names, modifiers and array partners) and, for each, the text
// and the binary form that PostgreSQL 15 reads and writes. It also owns the error struct that travels to clients and
// the SQLSTATE names.
//
// A value is one of the Go forms that package db stores (see db.Kind): bool; int64 for every integer, for oid and its
// kin and for time; float32 and float64; *apd.Decimal; string; []byte; [16]byte; int32 for date; int64 for
// timestamps; Interval; []float32 for vectors; []any for arrays. Types that only catalogs know take: string for name,
// "char", unknown and everything without a codec of its own; TimeTZ for timetz; []any for oidvector, int2vector and
// record; nil for void. A value of oid's kin (regclass, regtype ...) may also be the string that resolving it gave.
// NULL is nil and is the caller's business everywhere except inside arrays and records.
//
// All functions may be called concurrently; none keeps or changes its arguments.
package types
