package db

// Unchanged tells since when the rows of a table are what the batch sees: a commit number, equal for two batches only when
// both see the same rows. It is false when the batch itself has changed the table, and when its snapshot is older than the
// table's last change.
func (b *Batch) Unchanged(t *Table) (since uint64, ok bool) {
	tb, ts, err := b.begin(t, nil)
	if err != nil {
		return 0, false
	}
	defer b.snap.exit()
	if tb != nil {
		return 0, false
	}
	b.d.mu.Lock()
	defer b.d.mu.Unlock()
	since = ts.mem.lastWrite
	return since, since <= b.snap.commit
}

// Defined tells since when descriptors, schemas and settings are what the batch sees: a commit number, equal for two batches
// only when both see the same ones. It is false when the batch has written anything, and when its snapshot is older than the
// last change.
func (b *Batch) Defined() (since uint64, ok bool) {
	if b.done || !b.Empty() {
		return 0, false
	}
	since = b.d.definedAt.Load()
	return since, since <= b.snap.commit
}
