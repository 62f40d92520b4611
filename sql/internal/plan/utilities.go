package plan

import (
	"strconv"
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// utility checks a statement that is neither a query nor a change of rows, and gives its struct.
func (a *analyzer) utility(n *pgquery.Node) any {
	switch v := n.Node.(type) {
	case *pgquery.Node_TransactionStmt:
		return a.transaction(v.TransactionStmt)
	case *pgquery.Node_VariableSetStmt:
		return a.setVariable(v.VariableSetStmt)
	case *pgquery.Node_VariableShowStmt:
		return &Show{Name: strings.ToLower(v.VariableShowStmt.Name)}
	case *pgquery.Node_DiscardStmt:
		return &Discard{What: strings.ToLower(strings.TrimPrefix(a.plan.Tag, "DISCARD "))}
	case *pgquery.Node_ConstraintsSetStmt:
		return &Set{Name: "constraints", Value: pick(v.ConstraintsSetStmt.Deferred, "deferred", "immediate"), Local: true}
	case *pgquery.Node_PrepareStmt:
		return a.prepare(v.PrepareStmt)
	case *pgquery.Node_ExecuteStmt:
		return a.execute(v.ExecuteStmt)
	case *pgquery.Node_DeallocateStmt:
		return &Deallocate{Name: v.DeallocateStmt.Name, All: v.DeallocateStmt.Name == ""}
	case *pgquery.Node_DeclareCursorStmt:
		return a.declareCursor(v.DeclareCursorStmt)
	case *pgquery.Node_FetchStmt:
		return a.fetch(v.FetchStmt)
	case *pgquery.Node_ClosePortalStmt:
		return &CloseCursor{Name: v.ClosePortalStmt.Portalname, All: v.ClosePortalStmt.Portalname == ""}
	case *pgquery.Node_ExplainStmt:
		return a.explain(v.ExplainStmt)
	case *pgquery.Node_CopyStmt:
		return a.copy(v.CopyStmt)
	case *pgquery.Node_ListenStmt:
		return &Listen{Channel: v.ListenStmt.Conditionname}
	case *pgquery.Node_UnlistenStmt:
		return &Unlisten{Channel: v.UnlistenStmt.Conditionname, All: v.UnlistenStmt.Conditionname == ""}
	case *pgquery.Node_NotifyStmt:
		if len(v.NotifyStmt.Payload) >= 8000 {
			a.fail(-1, types.CodeInvalidParameterValue, "payload string too long")
		}
		return &Notify{Channel: v.NotifyStmt.Conditionname, Payload: v.NotifyStmt.Payload}
	case *pgquery.Node_VacuumStmt:
		return a.vacuum(v.VacuumStmt)
	case *pgquery.Node_CheckPointStmt:
		return &Checkpoint{}
	case *pgquery.Node_LockStmt:
		l := &Lock{Mode: strconv.Itoa(int(v.LockStmt.Mode))}
		for _, r := range v.LockStmt.Relations {
			l.Relations = append(l.Relations, a.relation(r.GetRangeVar()))
		}
		return l
	case *pgquery.Node_CallStmt:
		f := v.CallStmt.Funccall
		c := &Call{Function: Name{Name: callName(f)}}
		for _, x := range a.exprs(&query{}, f.Args) {
			c.Args = append(c.Args, a.needGo(x))
		}
		return c
	}
	if u := a.definition(n); u != nil {
		return u
	}
	return a.roles(n)
}

// writes reports whether a utility statement changes the database.
func writes(u any) bool {
	switch v := u.(type) {
	case *CreateTable, *AlterTable, *Drop, *Truncate, *CreateSchema, *CreateView, *CreateSequence, *CreateIndex, *Comment, *Reindex,
		*CreateRole, *AlterRole, *DropRole, *RenameRole, *Grant, *CreateExtension, *CreateDatabase, *DropDatabase:
		return true
	case *Copy:
		return v.From
	}
	return false
}

// needGo refuses an expression that Go cannot evaluate.
func (a *analyzer) needGo(n *node) Expr {
	if n.run == nil {
		a.unsupported(n.loc, "this expression here")
	}
	return n
}

func (a *analyzer) transaction(t *pgquery.TransactionStmt) any {
	switch t.Kind {
	case pgquery.TransactionStmtKind_TRANS_STMT_BEGIN, pgquery.TransactionStmtKind_TRANS_STMT_START:
		return &Begin{Modes: a.modes(t.Options)}
	case pgquery.TransactionStmtKind_TRANS_STMT_COMMIT:
		return &Commit{Chain: t.Chain}
	case pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK:
		return &Rollback{Chain: t.Chain}
	case pgquery.TransactionStmtKind_TRANS_STMT_SAVEPOINT:
		return &Savepoint{Name: t.SavepointName}
	case pgquery.TransactionStmtKind_TRANS_STMT_RELEASE:
		return &Release{Name: t.SavepointName}
	case pgquery.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO:
		return &RollbackTo{Name: t.SavepointName}
	}
	a.unsupported(-1, a.plan.Tag)
	return nil
}

func (a *analyzer) modes(options []*pgquery.Node) TransactionModes {
	var m TransactionModes
	for _, o := range options {
		d := o.GetDefElem()
		yes := constInt(d.Arg) != 0
		switch d.Defname {
		case "transaction_isolation":
			m.Isolation = constText(d.Arg)
		case "transaction_read_only":
			m.ReadOnly = &yes
		case "transaction_deferrable":
			m.Deferrable = &yes
		}
	}
	return m
}

// constText gives the text of a literal, name or number in an option.
func constText(n *pgquery.Node) string {
	if n == nil {
		return ""
	}
	switch v := n.Node.(type) {
	case *pgquery.Node_AConst:
		switch c := v.AConst.Val.(type) {
		case *pgquery.A_Const_Sval:
			return c.Sval.Sval
		case *pgquery.A_Const_Fval:
			return c.Fval.Fval
		case *pgquery.A_Const_Boolval:
			return strconv.FormatBool(c.Boolval.Boolval)
		case *pgquery.A_Const_Ival:
			return strconv.Itoa(int(c.Ival.Ival))
		}
		if !v.AConst.Isnull {
			return "0"
		}
	case *pgquery.Node_String_:
		return v.String_.Sval
	case *pgquery.Node_Integer:
		return strconv.Itoa(int(v.Integer.Ival))
	case *pgquery.Node_Float:
		return v.Float.Fval
	case *pgquery.Node_Boolean:
		return strconv.FormatBool(v.Boolean.Boolval)
	case *pgquery.Node_TypeName:
		if len(v.TypeName.Names) > 0 {
			return v.TypeName.Names[len(v.TypeName.Names)-1].GetString_().GetSval()
		}
	case *pgquery.Node_TypeCast:
		return constText(v.TypeCast.Arg)
	case *pgquery.Node_AStar:
		return "*"
	}
	return ""
}

func constInt(n *pgquery.Node) int64 {
	s := constText(n)
	if s == "true" || s == "on" {
		return 1
	}
	i, _ := strconv.ParseInt(s, 10, 64)
	return i
}

// constBool reads an option's boolean: left out means true.
func (a *analyzer) constBool(d *pgquery.DefElem) bool {
	if d.Arg == nil {
		return true
	}
	switch s := strings.ToLower(constText(d.Arg)); s {
	case "true", "on", "1", "yes":
		return true
	case "false", "off", "0", "no":
		return false
	}
	a.fail(d.Location, types.CodeSyntaxError, "%s requires a Boolean value", d.Defname)
	return false
}

func (a *analyzer) setVariable(s *pgquery.VariableSetStmt) any {
	name := strings.ToLower(s.Name)
	switch s.Kind {
	case pgquery.VariableSetKind_VAR_RESET_ALL:
		return &Reset{All: true}
	case pgquery.VariableSetKind_VAR_RESET:
		return &Reset{Name: name}
	case pgquery.VariableSetKind_VAR_SET_DEFAULT:
		return &Set{Name: name, Local: s.IsLocal, Default: true}
	case pgquery.VariableSetKind_VAR_SET_CURRENT:
		a.unsupported(-1, "SET ... FROM CURRENT")
	case pgquery.VariableSetKind_VAR_SET_MULTI:
		switch s.Name {
		case "TRANSACTION":
			return &SetTransaction{Modes: a.modes(s.Args)}
		case "SESSION CHARACTERISTICS":
			return &SetTransaction{Modes: a.modes(s.Args), Session: true}
		case "TRANSACTION SNAPSHOT":
			return &SetTransaction{Snapshot: constText(s.Args[0])}
		}
	}
	out := &Set{Name: name, Local: s.IsLocal}
	for _, x := range s.Args {
		v := constText(x)
		if c := x.GetTypeCast(); c != nil { // SET TIME ZONE INTERVAL '...'
			e := a.expr(&query{}, x)
			if iv, ok := e.value.(types.Interval); ok {
				v = strconv.FormatFloat(float64(iv.Micros)/3.6e9, 'g', -1, 64)
			}
		}
		out.Values = append(out.Values, v)
	}
	parts := make([]string, len(out.Values))
	for i, v := range out.Values {
		parts[i] = v
		if name == "search_path" || name == "temp_tablespaces" {
			parts[i] = quoteIdent(v)
		}
	}
	out.Value = strings.Join(parts, ", ")
	return out
}

func (a *analyzer) prepare(s *pgquery.PrepareStmt) any {
	p := &Prepare{Name: s.Name}
	for _, t := range s.Argtypes {
		p.Types = append(p.Types, a.typeName(t.GetTypeName()))
	}
	kind, tag := classify(s.Query)
	p.Statement = &Statement{Text: a.st.Text, Offset: a.st.Offset, Kind: kind, Tag: tag, node: s.Query, source: a.st.source}
	return p
}

func (a *analyzer) execute(s *pgquery.ExecuteStmt) any {
	e := &Execute{Name: s.Name}
	for _, x := range a.exprs(&query{}, s.Params) {
		e.Args = append(e.Args, a.needGo(x))
	}
	return e
}

// Bits of DeclareCursorStmt.Options.
const (
	cursorBinary   = 0x01
	cursorScroll   = 0x02
	cursorNoScroll = 0x04
	cursorHold     = 0x20
)

func (a *analyzer) declareCursor(s *pgquery.DeclareCursorStmt) any {
	if s.Query.GetSelectStmt() == nil {
		a.fail(-1, types.CodeInvalidCursorDefinition, "DECLARE CURSOR needs a SELECT")
	}
	c := &DeclareCursor{Name: s.Portalname, Binary: s.Options&cursorBinary != 0, Hold: s.Options&cursorHold != 0}
	yes, no := true, false
	if s.Options&cursorScroll != 0 {
		c.Scroll = &yes
	} else if s.Options&cursorNoScroll != 0 {
		c.Scroll = &no
	}
	c.Query, c.QueryRef = a.subPlan(s.Query)
	return c
}

func (a *analyzer) fetch(s *pgquery.FetchStmt) any {
	f := &Fetch{Cursor: s.Portalname, Count: s.HowMany, Move: s.Ismove}
	switch s.Direction {
	case pgquery.FetchDirection_FETCH_BACKWARD:
		f.Direction = FetchBackward
	case pgquery.FetchDirection_FETCH_ABSOLUTE:
		f.Direction = FetchAbsolute
	case pgquery.FetchDirection_FETCH_RELATIVE:
		f.Direction = FetchRelative
	}
	return f
}

func (a *analyzer) explain(s *pgquery.ExplainStmt) any {
	e := &Explain{Costs: true, Format: "text"}
	timing := false
	for _, o := range s.Options {
		d := o.GetDefElem()
		switch d.Defname {
		case "analyze":
			e.Analyze = a.constBool(d)
		case "verbose":
			e.Verbose = a.constBool(d)
		case "costs":
			e.Costs = a.constBool(d)
		case "buffers":
			e.Buffers = a.constBool(d)
		case "settings", "generic_plan", "memory", "serialize":
			e.Settings = a.constBool(d)
		case "wal":
			e.Wal = a.constBool(d)
		case "timing":
			e.Timing, timing = a.constBool(d), true
		case "summary":
			e.Summary, e.SummarySet = a.constBool(d), true
		case "format":
			e.Format = strings.ToLower(constText(d.Arg))
			if e.Format != "text" && e.Format != "json" && e.Format != "xml" && e.Format != "yaml" {
				a.fail(d.Location, types.CodeInvalidParameterValue, "unrecognized value for EXPLAIN option \"format\": \"%s\"", e.Format)
			}
		default:
			a.fail(d.Location, types.CodeSyntaxError, "unrecognized EXPLAIN option \"%s\"", d.Defname)
		}
	}
	if timing && e.Timing && !e.Analyze {
		a.fail(-1, types.CodeInvalidParameterValue, "EXPLAIN option TIMING requires ANALYZE")
	}
	if !timing {
		e.Timing = e.Analyze
	}
	if !e.SummarySet {
		e.Summary = e.Analyze
	}
	e.Plan, e.Statement = a.subPlan(s.Query)
	a.plan.Writes = e.Analyze && e.Plan.Writes
	return e
}

func (a *analyzer) vacuum(s *pgquery.VacuumStmt) any {
	v := &Vacuum{Vacuum: s.IsVacuumcmd, Analyze: !s.IsVacuumcmd}
	for _, o := range s.Options {
		d := o.GetDefElem()
		switch d.Defname {
		case "analyze":
			v.Analyze = a.constBool(d)
		case "full":
			v.Full = a.constBool(d)
		case "verbose":
			v.Verbose = a.constBool(d)
		}
	}
	for _, r := range s.Rels {
		rel := a.relation(r.GetVacuumRelation().Relation)
		for _, c := range r.GetVacuumRelation().VaCols {
			a.columnIndex(rel, c.GetString_().GetSval(), -1)
		}
		v.Relations = append(v.Relations, rel)
	}
	return v
}
