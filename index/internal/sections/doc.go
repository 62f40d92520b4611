// Package sections answers one question: how do the parts of an index lie in its file?
//
// A file is a header of 64 bytes (a name of 8 bytes, a version, up to 13 numbers, zeros), a table of sections with their places,
// lengths and checksums, a checksum of all that, and the sections, each at a multiple of 64 bytes. Numbers are little-endian. The
// number of sections belongs to the kind of file. docs/format-index.md describes it byte by byte.
package sections
