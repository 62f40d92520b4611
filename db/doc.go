// Package db answers one question: where do memories live, and which version of them do I see?
//
// It is the embedded Go API of Engram: an ACID store of typed tables with vectors, in one directory, for one process.
//
// # Five nouns
//
//   - A DB is an open directory. There is one per directory; it is safe for concurrent use. Close it last.
//   - A Table describes columns, keys and constraints. Descriptors are immutable; a Reader hands them out, and every call takes
//     the descriptor of that Reader. Table memories (MemoriesID) exists from the start.
//   - A Snapshot is everything as of one commit, for as long as it is open. It is safe for concurrent use.
//   - A Batch is an atomic set of writes over a snapshot of its own, which also reads what it has written. One goroutine uses it.
//   - A Query asks for the K rows nearest to a vector. The answer is exact: a Hit for each, nearest first.
//
// # Rows and their places
//
// A row has a RowID, given at insert and kept through updates; it is not the primary key. New rows lie in the head: in
// Pebble, their vectors also in memory. Seal writes the head of a table to a segment, an immutable Parquet file; Compact merges
// segments and drops rows that were deleted or replaced since. Both happen in the background and change no answer.
//
// # Lifetimes
//
// Snapshots and batches keep the versions they see on disk and in memory: close them. Rows and hits belong to the caller and
// outlive the snapshot; a TableView does not. Callbacks of Scan and Head own the Row they are given but must not write to the
// batch they read.
//
// # Concurrency
//
// Readers never wait for writers. Of two batches that change the same row, descriptor or setting the first to commit wins; the other's Commit
// answers ErrConflict, and its caller starts over with a new batch. Commits wait for the disk together. A commit is on disk when
// Commit returns, unless CommitOptions.NoSync asks not to wait; after a crash each commit is there whole or not at all.
//
// # Memories
//
// Inserting a memory with text fills text_embedding and joint_embedding in the same batch, through Options.TextEncoder; changing the
// text renews them; a caller may bring its own. Without a model the row is stored with NULL embeddings and embedded once
// there is one.
package db
