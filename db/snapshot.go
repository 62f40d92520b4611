package db

// Snapshot is a consistent view of a database. It is safe for concurrent use; it must be closed.
type Snapshot struct{ Reader }

// Close releases the snapshot. It may be called more than once.
func (s *Snapshot) Close() error { return nil }
