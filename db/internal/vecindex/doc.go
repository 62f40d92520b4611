// Package vecindex answers one question: how does a vector index lie beside its segment?
//
// A file is a header of 64 bytes, which says whose index it is, and the index as its own package writes it. It is written under
// another name, synced and renamed, and mapped to be read. All of it can be made again from the segment's Parquet file, so
// a file that is missing or broken costs time and loses nothing. docs/format.md has the bytes.
package vecindex
