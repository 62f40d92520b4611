package db

// recentWrites remembers which rows and settings the latest commits wrote, for as long as some batch has an older snapshot.
// All of it is under DB.mu.
type recentWrites struct {
	rows     map[rowKey]uint64 // to the last commit that wrote it
	settings map[string]uint64
	log      []recentWrite // in order of commits
}

type rowKey struct {
	table TableID
	row   RowID
}

type recentWrite struct {
	commit  uint64
	row     rowKey
	setting string // when not empty, row is not meant
}

func newRecentWrites() recentWrites {
	return recentWrites{rows: map[rowKey]uint64{}, settings: map[string]uint64{}}
}

func (r *recentWrites) addRow(k rowKey, commit uint64) {
	r.rows[k] = commit
	r.log = append(r.log, recentWrite{commit: commit, row: k})
}

func (r *recentWrites) addSetting(key string, commit uint64) {
	r.settings[key] = commit
	r.log = append(r.log, recentWrite{commit: commit, setting: key})
}

// trim forgets commits that no batch can conflict with: those that the oldest live batch sees.
func (r *recentWrites) trim(oldest uint64) {
	i := 0
	for ; i < len(r.log) && r.log[i].commit <= oldest; i++ {
		w := &r.log[i]
		if w.setting != "" {
			if r.settings[w.setting] == w.commit {
				delete(r.settings, w.setting)
			}
		} else if r.rows[w.row] == w.commit {
			delete(r.rows, w.row)
		}
	}
	r.log = r.log[i:]
	if len(r.log) == 0 {
		r.log = nil
	}
}
