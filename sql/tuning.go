package sql

import (
	"strconv"
	"strings"

	"engram/db"
)

// searchTuning is what a session's settings say about searches by index.
type searchTuning struct {
	ef, probes int // 0: the index chooses
	exact      bool
}

// tuning reads the settings, once for each change of them.
func (s *Session) tuning() searchTuning {
	if s.tuned != nil && s.tunedOf == s.settings.version {
		return *s.tuned
	}
	t := &searchTuning{ef: s.chosen("hnsw.ef_search"), probes: s.chosen("ivfflat.probes")}
	if v, _ := s.settings.get("enable_indexscan"); v == "off" {
		t.exact = true
	}
	if t.probes > 0 {
		t.probes = min(t.probes, int(s.settingInt("ivfflat.max_probes")))
	}
	s.tuned, s.tunedOf = t, s.settings.version
	return *t
}

// chosen is the number that the session, or its start, has set; 0 when nobody has.
func (s *Session) chosen(name string) int {
	key := strings.ToLower(name)
	h := s.settings.held[key]
	v, ok := s.settings.start[key]
	switch {
	case h.hasLocal:
		v = h.local
	case h.hasSession:
		v = h.session
	case !ok:
		return 0
	}
	n, _ := strconv.Atoi(v)
	return n
}

func (t searchTuning) apply(q *db.Query) {
	q.Exact = t.exact
	q.Probes = t.probes
	if t.ef > 0 {
		q.Ef = max(t.ef, q.K) // as many rows as match are given, however small ef is
	}
}

// indexed reports whether an approximate index may answer the search.
func (v *vectorSearch) indexed() bool {
	if v.tuning.exact {
		return false
	}
	for _, x := range v.table.Indexes {
		if x.Column == v.column && x.Metric == metrics[v.op] && x.Kind != db.IndexFlat {
			return true
		}
	}
	return false
}

// rankedQuery is what the search asks of the database.
func (v *vectorSearch) rankedQuery() (q db.Query, ok bool) {
	q = db.Query{Column: v.column, Metric: metrics[v.op], Stats: &v.report.stats}
	q.Near, ok = v.query.([]float32)
	return q, ok
}
