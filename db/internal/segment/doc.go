// Package segment answers one question: how does a settled row lie on disk?
//
// A segment is two files that never change: base.parquet, which every Parquet reader understands and whose vectors Go reads in
// place, and base.rows, the same rows once more in row order without their vectors, for point reads. The Parquet file is the
// truth; the sidecar is made from it again when it is lost or broken. docs/format.md has the bytes and the reasons.
//
// Rows are found by ord, their position in the segment, or by RowID. Writing goes through a vfs.FS, so tests can stop the disk
// anywhere; reading maps the file where there is one and reads it into memory where there is not.
package segment
