package sql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"engram/db"
	"engram/sql/internal/catalog"
	"engram/sql/internal/duck"
	"engram/sql/internal/plan"
	"engram/sql/types"
)

// engineDuck is an engine's DuckDB.
type engineDuck struct {
	duckMu   sync.Mutex
	instance *duck.Instance
	idle     []idleConn // connections of instance that nobody uses
	tempDir  string
	ownTemp  bool
}

// defaultDuckMemory is what DuckDB may hold when the options do not say.
const defaultDuckMemory = 1 << 30

// maxIdle is how many unused connections are kept.
const maxIdle = 16

func (e *Engine) openDuck() (err error) {
	e.tempDir = e.options.TempDir
	if e.tempDir == "" {
		if e.tempDir, err = os.MkdirTemp("", "engram-sql-*"); err != nil {
			return err
		}
		e.ownTemp = true
	}
	memory := e.options.MemoryLimit
	if memory <= 0 {
		memory = defaultDuckMemory
	}
	c := &duck.Config{MemoryLimit: memory, Threads: e.options.Threads, TempDir: e.tempDir}
	if dir := e.db.SegmentDir(); dir != "" {
		c.AllowedDirs = []string{dir}
	}
	if e.instance, err = duck.Open(c); err != nil {
		e.dropTemp()
		return err
	}
	if err = e.registerFunctions(e.instance); err != nil {
		e.instance.Close()
		e.dropTemp()
	}
	return err
}

func (e *Engine) closeDuck() error {
	e.duckMu.Lock()
	defer e.duckMu.Unlock()
	for _, c := range e.idle {
		c.Close()
	}
	e.idle = nil
	err := e.instance.Close()
	e.dropTemp()
	return err
}

func (e *Engine) dropTemp() {
	if e.ownTemp {
		os.RemoveAll(e.tempDir)
	}
}

// idleConn is a connection with the time zone it was last given.
type idleConn struct {
	*duck.Conn
	zone string
}

// duckConn is a connection in use by one statement, with the relations bound for it.
type duckConn struct {
	*duck.Conn
	engine   *Engine
	instance *duck.Instance
	zone     string
	bound    []string
}

// connect takes a connection. An instance that an internal error of DuckDB has broken is replaced.
func (e *Engine) connect() (*duckConn, error) {
	e.duckMu.Lock()
	defer e.duckMu.Unlock()
	if e.instance.Broken() {
		fresh, err := e.instance.Reopen()
		if err != nil {
			return nil, err
		}
		e.log.Error("DuckDB reported an internal error and was started again")
		for _, c := range e.idle {
			c.Close()
		}
		old := e.instance
		e.instance, e.idle = fresh, nil
		old.Close() // succeeds once its last statement has ended
	}
	if n := len(e.idle); n > 0 {
		c := e.idle[n-1]
		e.idle = e.idle[:n-1]
		return &duckConn{Conn: c.Conn, engine: e, instance: e.instance, zone: c.zone}, nil
	}
	c, err := e.instance.Connect()
	if err != nil {
		return nil, err
	}
	return &duckConn{Conn: c, engine: e, instance: e.instance, zone: "UTC"}, nil
}

// connect takes a connection in the session's time zone.
func (s *Session) connect(ctx context.Context) (*duckConn, error) {
	c, err := s.engine.connect()
	if err != nil {
		return nil, err
	}
	if zone := duckZone(s.Style().TimeZone); zone != c.zone {
		if err := c.Exec(ctx, "SET TimeZone = "+duck.QuoteLiteral(zone)); err != nil {
			c.release()
			return nil, err
		}
		c.zone = zone
	}
	return c, nil
}

// duckZone is DuckDB's name of a time zone: one of the zone database, or a whole number of hours.
func duckZone(loc *time.Location) string {
	if loc == nil || loc == time.UTC {
		return "UTC"
	}
	if name := loc.String(); name != "" && strings.IndexAny(name, "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") >= 0 && name[0] != '<' {
		if _, err := time.LoadLocation(name); err == nil {
			return name
		}
	}
	_, east := time.Unix(0, 0).In(loc).Zone()
	return fmt.Sprintf("Etc/GMT%+d", -east/3600) // the sign counts west of Greenwich
}

// release gives a connection back. Nothing of its last statement may be open.
func (c *duckConn) release() {
	for _, token := range c.bound {
		c.Unbind(token)
	}
	e := c.engine
	e.duckMu.Lock()
	defer e.duckMu.Unlock()
	if c.instance != e.instance || c.instance.Broken() || len(e.idle) >= maxIdle {
		c.Conn.Close()
		if c.instance != e.instance {
			c.instance.Close()
		}
		return
	}
	e.idle = append(e.idle, idleConn{c.Conn, c.zone})
}

// bind makes a relation of ours scannable and spells its scan.
func (c *duckConn) bind(r duck.Relation) string {
	token := duck.NewToken()
	c.Bind(token, r)
	c.bound = append(c.bound, token)
	return duck.ScanSQL(token)
}

// newRun makes what a statement's functions and relations look at.
func (s *Session) newRun() *duckRun {
	r := &duckRun{session: s, reader: s.batch()}
	r.env = s.catalogEnv(r.reader)
	r.exprEnv = *s.env(&execution{})
	return r
}

// place puts the session's relations into the analyser's SQL.
func (r *duckRun) place(c *duckConn, text string, relations []*plan.Relation) (string, error) {
	pairs := []string{plan.SessionToken, "''"}
	if r.returning != "" {
		pairs = append(pairs, quoteName(plan.ReturningRelation), r.returning)
	}
	for i, rel := range relations {
		token := `"` + plan.RelationToken(i) + `"`
		if !strings.Contains(text, token) {
			continue
		}
		sub, err := r.relationSQL(c, rel)
		if err != nil {
			return "", err
		}
		pairs = append(pairs, token, sub)
	}
	return strings.NewReplacer(pairs...).Replace(text), nil
}

// askDuck lets DuckDB tell the types that the analyser left open, without running anything.
func (s *Session) askDuck(ctx context.Context, a *analyzed) error {
	c, err := s.connect(ctx)
	if err != nil {
		return err
	}
	defer c.release()
	run := s.newRun()
	text, err := run.place(c, a.plan.DuckSQL, a.plan.Relations)
	if err != nil {
		return err
	}
	st, err := c.Prepare(context.WithValue(ctx, runKey{}, run), text)
	if err != nil {
		return s.duckFailure(err)
	}
	defer st.Close()
	for i := range a.params {
		if a.params[i].OID == 0 {
			if t, ok := st.ParamType(i + 1); ok {
				a.params[i] = pgType(t)
			}
		}
	}
	cols, known := st.Columns()
	if !known && len(a.params) > 0 {
		if cols, known, err = s.askWithSamples(ctx, c, run, text, a.params); err != nil {
			return err
		}
	}
	if known && a.plan.Road == plan.RoadDuck {
		for i := range a.columns {
			if i < len(cols) && a.columns[i].Type.OID == 0 {
				a.columns[i].Type = pgType(cols[i].Type)
			}
		}
	}
	return nil
}

// askWithSamples prepares a copy of a statement in which constants of the parameters' types stand for them: DuckDB does
// not tell the columns of a table function whose arguments are parameters.
func (s *Session) askWithSamples(ctx context.Context, c *duckConn, run *duckRun, text string, params []types.Type) ([]duck.Column, bool, error) {
	st, err := c.Prepare(context.WithValue(ctx, runKey{}, run), replaceParams(text, params))
	if err != nil {
		return nil, false, nil // the copy is only a guess: what does not fit it is said when the statement runs
	}
	defer st.Close()
	cols, known := st.Columns()
	return cols, known, nil
}

// replaceParams writes a sample constant for each $n outside of strings and quoted names.
func replaceParams(text string, params []types.Type) string {
	var b strings.Builder
	for i := 0; i < len(text); {
		switch ch := text[i]; {
		case ch == '\'' || ch == '"':
			end := i + 1
			for end < len(text) && text[end] != ch {
				end++
			}
			end = min(end+1, len(text))
			b.WriteString(text[i:end])
			i = end
		case ch == '$' && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9':
			end := i + 1
			for end < len(text) && text[end] >= '0' && text[end] <= '9' {
				end++
			}
			n, _ := strconv.Atoi(text[i+1 : end])
			b.WriteString(sample(n, params))
			i = end
		default:
			b.WriteByte(ch)
			i++
		}
	}
	return b.String()
}

func sample(n int, params []types.Type) string {
	t := types.Of(types.TextOID)
	if n >= 1 && n <= len(params) && params[n-1].OID != 0 {
		t = params[n-1]
	}
	d := duckType(t)
	switch d.ID {
	case duck.VarcharID:
		return "'1'"
	case duck.SmallIntID, duck.IntegerID, duck.BigIntID, duck.FloatID, duck.DoubleID, duck.DecimalID:
		return "CAST(1 AS " + d.String() + ")"
	case duck.ListID:
		return "CAST([1] AS " + d.String() + ")"
	}
	return "CAST(NULL AS " + d.String() + ")"
}

// duckRows are the rows of a running statement of DuckDB, in the forms of the columns' PostgreSQL types.
type duckRows struct {
	session *Session
	conn    *duckConn
	stmt    *duck.Stmt
	result  *duck.Result
	columns []Column
	from    []duck.Type
	chunk   *duck.Chunk
	at      int
	row     []any
	ctx     context.Context
	cancel  context.CancelCauseFunc
}

// runDuck runs a statement on the DuckDB road.
func (s *Session) runDuck(x *execution) (*outcome, error) {
	p := x.analyzed.plan
	rows, err := s.duckQuery(x.ctx, p.DuckSQL, p.Relations, x.params, x.analyzed.params, x.analyzed.columns)
	if err != nil {
		return nil, err
	}
	return &outcome{columns: x.analyzed.columns, rows: rows, tag: p.Tag, counted: true}, nil
}

// duckQuery starts a statement in DuckDB's dialect over the session's snapshot. columns nil means: as DuckDB has them.
func (s *Session) duckQuery(ctx context.Context, text string, relations []*plan.Relation, params []any, paramTypes []types.Type, columns []Column) (_ *duckRows, err error) {
	c, err := s.connect(ctx)
	if err != nil {
		return nil, wrapped(s.duckFailure(err))
	}
	return s.duckQueryOn(ctx, c, s.newRun(), text, relations, params, paramTypes, columns)
}

// duckQueryOn is duckQuery on a connection, which it takes over.
func (s *Session) duckQueryOn(ctx context.Context, c *duckConn, run *duckRun, text string, relations []*plan.Relation, params []any, paramTypes []types.Type, columns []Column) (_ *duckRows, err error) {
	r := &duckRows{session: s, conn: c, columns: columns}
	r.ctx, r.cancel = context.WithCancelCause(context.WithValue(ctx, runKey{}, run))
	defer func() {
		if err != nil {
			r.Close()
			err = causeOf(ctx, s.duckFailure(err))
		}
	}()
	if text, err = run.place(c, text, relations); err != nil {
		return nil, err
	}
	if len(params) == 0 { // planned and run in one step
		if r.result, err = c.Query(r.ctx, text); err != nil {
			return nil, err
		}
		err = r.takeColumns()
		return r, err
	}
	if r.stmt, err = c.Prepare(r.ctx, text); err != nil {
		return nil, err
	}
	for i, v := range params {
		t := duckType(paramTypes[i])
		if d, ok := v.(*apdDecimal); ok {
			t = decimalOf(d, t)
		}
		if err = r.stmt.Bind(i+1, toDuck(v, paramTypes[i]), t); err != nil {
			return nil, err
		}
	}
	if r.result, err = r.stmt.Query(r.ctx); err != nil {
		return nil, err
	}
	err = r.takeColumns()
	return r, err
}

func (r *duckRows) takeColumns() error {
	cols := r.result.Columns()
	if r.columns == nil {
		r.columns = make([]Column, len(cols))
		for i, c := range cols {
			r.columns[i] = Column{Name: c.Name, Type: pgType(c.Type)}
		}
	}
	if len(cols) < len(r.columns) {
		return types.Errorf(types.CodeInternalError, "the statement gives %d columns where %d were announced", len(cols), len(r.columns))
	}
	r.from = make([]duck.Type, len(r.columns))
	for i := range r.from {
		r.from[i] = cols[i].Type
	}
	r.row = make([]any, len(r.columns))
	return nil
}

// Next implements rowSource.
func (r *duckRows) Next() ([]any, error) {
	for r.chunk == nil || r.at >= r.chunk.Rows() {
		if r.result == nil {
			return nil, io.EOF
		}
		chunk, err := r.result.Next()
		if err != nil {
			return nil, causeOf(r.ctx, r.session.duckFailure(err))
		}
		if chunk == nil {
			r.Close()
			return nil, io.EOF
		}
		r.chunk, r.at = chunk, 0
	}
	for j := range r.row {
		v, err := fromDuck(r.chunk.Col(j).Value(r.at), &r.from[j], r.columns[j].Type)
		if err != nil {
			return nil, err
		}
		if d, ok := v.(*apdDecimal); ok {
			v = trimFree(d, &r.from[j], r.columns[j])
		}
		r.row[j] = v
	}
	r.at++
	return r.row, nil
}

// trimFree takes the zeros off a stored numeric of free scale that DuckDB's fixed scale put there.
func trimFree(d *apdDecimal, from *duck.Type, c Column) *apdDecimal {
	if from.ID != duck.DecimalID || from.Scale != freeScale || c.Type.Mod >= 0 || c.TableOID == 0 {
		return d
	}
	var out apdDecimal
	out.Reduce(d)
	if out.Exponent > 0 { // 100, not 1E+2
		out.Set(d)
		ctx := decimalContext()
		ctx.Quantize(&out, d, 0)
	}
	return &out
}

// Close implements rowSource.
func (r *duckRows) Close() error {
	if r.conn == nil {
		return nil
	}
	r.cancel(nil)
	if r.result != nil {
		r.result.Close()
		r.result = nil
	}
	if r.stmt != nil {
		r.stmt.Close()
	}
	r.conn.release()
	r.conn, r.chunk = nil, nil
	return nil
}

// duckFailure brings an error of the DuckDB road into PostgreSQL's terms: first what our own SQL or functions raised.
func (s *Session) duckFailure(err error) error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	var d *duck.Error
	if errors.As(err, &d) {
		if e, ok := plan.DecodeRaised(d.Message); ok {
			return e
		}
	}
	return err
}

// catalogEnv is what catalog rows and functions may know of the session.
func (s *Session) catalogEnv(r db.Reader) *catalog.Env {
	return &catalog.Env{Reader: r, User: s.user, Database: s.name, SearchPath: s.searchPath(), PID: s.pid,
		Setting: func(name string) (string, bool) {
			v, ok := s.setting(name)
			if def, known := lookupSetting(name); ok && known {
				v = def.show(v)
			}
			return v, ok
		},
		Settings: s.catalogSettings,
		Roles: func() ([]catalog.Role, error) {
			all, err := rolesIn(r)
			out := make([]catalog.Role, len(all))
			for i, role := range all {
				out[i] = catalog.Role{Name: role.Name, Superuser: role.Superuser, Login: role.Login}
			}
			return out, err
		},
		Sessions: s.engine.catalogSessions,
		Prepared: s.catalogPrepared,
		Cursors:  s.catalogCursors,
	}
}

func (s *Session) catalogSettings() []catalog.Setting {
	var out []catalog.Setting
	for _, name := range settingNames() {
		def, _ := lookupSetting(name)
		v, _ := s.setting(name)
		reset, _ := s.settings.reset(strings.ToLower(name))
		c := catalog.Setting{Name: def.name, Value: v, Unit: def.unit, Category: def.group, Description: def.desc,
			Context: def.context.String(), VarType: def.kind.String(), Boot: def.def, Reset: reset, Enum: slices.Clone(def.values)}
		if def.kind == intSetting || def.kind == realSetting {
			c.Min, c.Max = formatNumber(def.min), formatNumber(def.max)
		}
		out = append(out, c)
	}
	return out
}

func (s *Session) catalogPrepared() []catalog.PreparedStatement {
	var out []catalog.PreparedStatement
	for name, st := range s.statements {
		if name != "" {
			out = append(out, catalog.PreparedStatement{Name: name, Statement: st.text, Prepared: st.made.UnixMicro(),
				ParameterTypes: st.params, FromSQL: st.fromSQL})
		}
	}
	return out
}

func (s *Session) catalogCursors() []catalog.Cursor {
	var out []catalog.Cursor
	for name, p := range s.portals {
		if name != "" {
			out = append(out, catalog.Cursor{Name: name, Statement: p.text, Holdable: p.hold, Binary: p.binary,
				Scroll: p.scroll, Created: p.made.UnixMicro()})
		}
	}
	return out
}

func (e *Engine) catalogSessions() []catalog.SessionState {
	e.mu.Lock()
	all := make([]*Session, 0, len(e.sessions))
	for _, s := range e.sessions {
		all = append(all, s)
	}
	e.mu.Unlock()
	slices.SortFunc(all, func(a, b *Session) int { return int(a.pid) - int(b.pid) })
	out := make([]catalog.SessionState, len(all))
	for i, s := range all {
		s.mu.Lock()
		a := s.activity
		s.mu.Unlock()
		out[i] = catalog.SessionState{PID: s.pid, User: s.user, Database: s.name, Application: a.application,
			ClientAddr: s.remote, Started: a.started.UnixMicro(), QueryStarted: a.queryStart.UnixMicro(),
			StateSince: a.changed.UnixMicro(), State: a.state, Query: a.query}
	}
	return out
}
