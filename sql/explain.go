package sql

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"engram/db"
	"engram/sql/internal/plan"
)

// explain answers EXPLAIN: the road, what the analyser says of the plan, where the rows lie, and DuckDB's own plan. With
// ANALYZE the statement is run, and what it did is measured.
func (s *Session) explain(x *execution, u *plan.Explain) ([][]any, error) {
	p := u.Plan
	if p == nil {
		return nil, unsupported("EXPLAIN is not supported for this statement")
	}
	lines := []string{fmt.Sprintf("%s  (road: %s)", p.Tag, p.Road)}
	for _, line := range p.Explain {
		lines = append(lines, "  "+line)
	}
	doc := map[string]any{"Node Type": nodeType(p), "Road": p.Road.String()}
	if p.Direct != nil && p.Direct.KNN != nil {
		lines = append(lines, s.explainIndexes(p.Direct.KNN, u.Verbose, doc)...)
	}
	if p.Near != nil {
		lines = append(lines, s.explainNear(p, doc)...)
	}
	for _, r := range s.explained(p) {
		line, err := s.explainTable(r)
		if err != nil {
			return nil, err
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	if p.DuckSQL != "" {
		text, err := s.duckPlan(x, p)
		if err != nil {
			return nil, err
		}
		lines = append(lines, text...)
	}
	if u.Analyze {
		more, err := s.explainAnalyze(x, p, doc)
		if err != nil {
			return nil, err
		}
		lines = append(lines, more...)
	}
	return explainRows(lines, doc, u.Format)
}

// explained lists the relations of a plan.
func (s *Session) explained(p *plan.Plan) []*plan.Relation {
	out := p.Relations
	add := func(r *plan.Relation) {
		for _, have := range out {
			if have == r {
				return
			}
		}
		out = append(out[:len(out):len(out)], r)
	}
	switch {
	case p.Direct != nil && p.Direct.KNN != nil:
		add(p.Direct.KNN.Relation)
	case p.Direct != nil && p.Direct.Point != nil:
		add(p.Direct.Point.Relation)
	case p.DML != nil:
		add(p.DML.Relation)
	}
	return out
}

func (s *Session) explainTable(r *plan.Relation) (string, error) {
	if n, ok := r.Ref.(*plan.Search); ok {
		return s.explainNested(n), nil
	}
	t, ok := r.Ref.(*db.Table)
	if !ok {
		return fmt.Sprintf("  Relation: %s.%s (catalog)", r.Schema, r.Name), nil
	}
	view, err := s.batch().View(t)
	if err != nil {
		return "", err
	}
	rows, err := s.batch().Count(s.ctx, t)
	if err != nil {
		return "", err
	}
	settled, dead := 0, uint64(0)
	for _, seg := range view.Segments {
		settled += seg.Rows
		if seg.Dead != nil {
			dead += seg.Dead.GetCardinality()
		}
	}
	return fmt.Sprintf("  Table: %s.%s  (rows: %d, segments: %d, rows in segments: %d, dead: %d)", r.Schema, r.Name, rows,
		len(view.Segments), settled, dead), nil
}

// duckPlan is DuckDB's plan of a statement. Parameters stand as NULL.
func (s *Session) duckPlan(x *execution, p *plan.Plan) ([]string, error) {
	text := p.DuckSQL
	if len(x.analyzed.params) > 0 {
		text = replaceParams(text, x.analyzed.params)
	}
	rows, err := s.duckQuery(x.ctx, "EXPLAIN "+text, p.Relations, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	all, err := collect(rows)
	if err != nil {
		return nil, err
	}
	lines := []string{"  DuckDB:"}
	for _, row := range all.rows {
		body, _ := row[len(row)-1].(string)
		for _, line := range strings.Split(strings.TrimRight(body, "\n"), "\n") {
			lines = append(lines, "    "+line)
		}
	}
	return lines, nil
}

func (s *Session) explainAnalyze(x *execution, p *plan.Plan, doc map[string]any) ([]string, error) {
	a := &analyzed{plan: p, params: x.analyzed.params}
	if err := s.resolveTypes(x.ctx, a); err != nil {
		return nil, err
	}
	var report *searchReport
	if p.Near != nil || p.Direct != nil && p.Direct.KNN != nil {
		report = &searchReport{}
	}
	start := time.Now()
	out, err := s.run(&execution{session: s, analyzed: a, params: x.params, text: x.text, ctx: x.ctx, report: report}, nil)
	if err != nil {
		return nil, err
	}
	defer out.close()
	n := 0
	for out.rows != nil {
		_, err := out.rows.Next()
		if isEOF(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		n++
	}
	took := float64(time.Since(start).Microseconds()) / 1000
	doc["Actual Rows"], doc["Execution Time"] = n, took
	var lines []string
	if report != nil && (p.Near == nil || report.searches > 0) {
		lines = report.lines(doc)
	}
	return append(lines, fmt.Sprintf("Actual rows: %d", n), fmt.Sprintf("Execution Time: %.3f ms", took)), nil
}

func explainRows(lines []string, doc map[string]any, format string) ([][]any, error) {
	switch format {
	case "", "text":
		rows := make([][]any, len(lines))
		for i, line := range lines {
			rows[i] = []any{line}
		}
		return rows, nil
	case "json":
		doc["Text"] = lines
		top := map[string]any{"Plan": doc}
		if took, ok := doc["Execution Time"]; ok {
			top["Execution Time"] = took
			delete(doc, "Execution Time")
		}
		b, err := json.MarshalIndent([]map[string]any{top}, "", "  ")
		return [][]any{{string(b)}}, err
	}
	return nil, unsupported("EXPLAIN (FORMAT %s) is not supported", format)
}
