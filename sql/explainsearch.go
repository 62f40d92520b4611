package sql

import (
	"fmt"

	"engram/db"
	"engram/sql/internal/plan"
)

// nodeType names what runs a statement, for EXPLAIN (FORMAT JSON).
func nodeType(p *plan.Plan) string {
	switch {
	case p.Direct != nil && p.Direct.KNN != nil:
		return "Vector Search"
	case p.Direct != nil && p.Direct.Point != nil:
		return "Key Lookup"
	case p.Direct != nil:
		return "Result"
	case p.Road == plan.RoadDML:
		return "ModifyTable"
	}
	return "DuckDB Query"
}

// explainIndexes says which index a nearest-neighbour query will ask, and how far it is built.
func (s *Session) explainIndexes(k *plan.KNN, verbose bool, doc map[string]any) []string {
	t := k.Relation.Ref.(*db.Table)
	doc["Relation Name"], doc["Schema"], doc["Order By"] = t.Name, t.Schema, t.Columns[k.Column].Name+" "+k.Op+" query"
	if k.Filter != nil {
		doc["Filter"] = k.Filter.Text
	}
	v := &vectorSearch{table: t, column: k.Column, op: k.Op, tuning: s.tuning()}
	for _, x := range s.engine.db.IndexStatus(t.ID) {
		if x.Column != t.Columns[k.Column].Name || x.Metric != metrics[k.Op] {
			continue
		}
		doc["Index Name"], doc["Index Method"], doc["Index Segments"], doc["Index Segments Ready"] = x.Name, x.Kind.String(), x.Segments, x.Ready
		line := fmt.Sprintf("  Index: %s  (%s, %s; segments ready: %d of %d; vectors: %d; bytes: %d)", x.Name, x.Kind, x.Metric, x.Ready, x.Segments,
			x.Vectors, x.Bytes)
		lines := []string{line}
		if x.Describe != "" && verbose {
			lines = append(lines, "    "+x.Describe)
		}
		if x.Note != "" {
			lines = append(lines, "    "+x.Note)
			doc["Index Note"] = x.Note
		}
		if x.Error != "" {
			lines = append(lines, "    not built: "+x.Error)
			doc["Index Error"] = x.Error
		}
		if v.tuning.exact {
			lines = append(lines, "    not used: enable_indexscan is off")
		}
		return lines
	}
	return []string{"  Index: none for this column and operator; every row is compared"}
}

// lines says what a search did, and adds it to the document of FORMAT JSON.
func (r *searchReport) lines(doc map[string]any) []string {
	st := &r.stats
	name := st.Index
	if name == "" {
		name = "none"
	}
	doc["Index Used"], doc["Segments"], doc["Segments By Index"] = name, st.Segments, st.IndexedSegments
	doc["Head Rows Compared"], doc["Segment Rows Compared"] = st.HeadVectors, st.SegmentVectors
	doc["Rows Scored"], doc["Rows Reranked"], doc["Rows Filtered"], doc["Filter Regime"] = st.Scored, st.Reranked, st.Filtered, st.Regime
	doc["Searches"] = r.searches
	out := []string{fmt.Sprintf("Search: index %s, segments: %d by index of %d, head rows compared: %d, segment rows compared: %d", name,
		st.IndexedSegments, st.Segments, st.HeadVectors, st.SegmentVectors)}
	if st.IndexedSegments > 0 {
		regime := st.Regime
		if regime == "" {
			regime = "none"
		}
		out = append(out, fmt.Sprintf("  Rows scored: %d, reranked: %d, filtered: %d, filter regime: %s", st.Scored, st.Reranked, st.Filtered, regime))
	}
	if r.filter == "" {
		return out
	}
	doc["Predicate By"], doc["Rows Passing"] = r.filter, r.passed
	line := fmt.Sprintf("  Predicate: by %s, rows passing: %d", r.filter, r.passed)
	if r.checked > 0 {
		doc["Rows Checked"] = r.checked
		line += fmt.Sprintf(", rows checked: %d, searches: %d", r.checked, r.searches)
	}
	return append(out, line)
}

// explainNested describes a search inside of a query.
func (s *Session) explainNested(n *plan.Search) string {
	t := n.Relation.Ref.(*db.Table)
	v := &vectorSearch{table: t, column: n.Column, op: n.Op, tuning: s.tuning()}
	by := "every row is compared"
	if v.indexed() {
		for _, x := range t.Indexes {
			if x.Column == n.Column && x.Metric == metrics[n.Op] {
				by = "by index " + x.Name
				break
			}
		}
	}
	line := fmt.Sprintf("  Vector Search on %s: %s %s query, %s", t.Name, t.Columns[n.Column].Name, n.Op, by)
	if n.Filter != nil {
		line += ", filter: " + n.Filter.Text
	}
	return line
}
