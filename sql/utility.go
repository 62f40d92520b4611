package sql

import (
	"context"
	"fmt"
	"strings"

	"engram/sql/internal/plan"
	"engram/sql/types"
)

// textColumns describes rows of text columns, as SHOW and EXPLAIN give them.
func textColumns(names ...string) []Column {
	out := make([]Column, len(names))
	for i, n := range names {
		out[i] = Column{Name: n, Type: types.Of(types.TextOID)}
	}
	return out
}

// utilityColumns describes the rows of a utility statement; nil when it returns none. Nothing is executed.
func (s *Session) utilityColumns(ctx context.Context, p *plan.Plan) []Column {
	switch u := p.Utility.(type) {
	case *plan.Show:
		if u.Name == "all" {
			return textColumns("name", "setting", "description")
		}
		return textColumns(showName(u.Name))
	case *plan.Explain:
		if u.Format != "" && u.Format != "text" {
			return []Column{{Name: "QUERY PLAN", Type: types.Of(types.JSONOID)}}
		}
		return textColumns("QUERY PLAN")
	case *plan.Fetch:
		if c := s.portals[u.Cursor]; c != nil && !u.Move {
			return c.columns
		}
	case *plan.Execute:
		if st := s.statements[u.Name]; st != nil {
			return st.columns
		}
	}
	return nil
}

// runUtility runs a statement that is neither a query nor a change of rows.
func (s *Session) runUtility(x *execution, w ResultWriter) (*outcome, error) {
	p := x.analyzed.plan
	out := &outcome{tag: p.Tag, columns: x.analyzed.columns}
	done, err := s.runControl(x, out)
	if !done && err == nil {
		done, err = s.runSettings(x, out)
	}
	if !done && err == nil {
		done, err = s.runPrepared(x, out, w)
	}
	if !done && err == nil {
		done, err = s.runDefinition(x, out)
	}
	if !done && err == nil {
		done, err = s.runRole(x, out)
	}
	if !done && err == nil {
		done, err = s.runOther(x, out, w)
	}
	if !done && err == nil {
		err = unsupported("%s is not supported", p.Tag)
	}
	if err != nil {
		return nil, err
	}
	return out, nil
}

// runControl runs what begins and ends transactions.
func (s *Session) runControl(x *execution, out *outcome) (bool, error) {
	switch u := x.analyzed.plan.Utility.(type) {
	case *plan.Begin:
		s.begin()
		return true, s.setModes(u.Modes)
	case *plan.Commit:
		return true, s.commitCommand(x.ctx, u.Chain, out)
	case *plan.Rollback:
		return true, s.rollbackCommand(u.Chain, out)
	case *plan.Savepoint:
		return true, s.savepoint(u.Name)
	case *plan.Release:
		return true, s.release(u.Name)
	case *plan.RollbackTo:
		return true, s.rollbackTo(u.Name)
	case *plan.SetTransaction:
		return true, s.setTransaction(u)
	}
	return false, nil
}

func (s *Session) commitCommand(ctx context.Context, chain bool, out *outcome) error {
	kept := s.txn
	switch s.txn.state {
	case txnBlock, txnFailed:
		committed, err := s.commitTxn(ctx)
		if err != nil {
			return err
		}
		if !committed {
			out.tag = "ROLLBACK"
		}
	default:
		if chain {
			return s.inBlock("COMMIT AND CHAIN")
		}
		s.warn(types.CodeNoActiveSQLTransaction, "there is no transaction in progress")
		if _, err := s.commitTxn(ctx); err != nil {
			return err
		}
	}
	if chain {
		s.chain(kept)
	}
	return nil
}

func (s *Session) rollbackCommand(chain bool, out *outcome) error {
	kept := s.txn
	switch s.txn.state {
	case txnBlock, txnFailed:
	default:
		if chain {
			return s.inBlock("ROLLBACK AND CHAIN")
		}
		s.warn(types.CodeNoActiveSQLTransaction, "there is no transaction in progress")
	}
	err := s.rollbackTxn()
	if chain && err == nil {
		s.chain(kept)
	}
	return err
}

// chain begins a transaction like the one that ended.
func (s *Session) chain(old transaction) {
	s.startTxn(txnBlock)
	s.txn.isolation, s.txn.readOnly, s.txn.deferrable = old.isolation, old.readOnly, old.deferrable
}

func (s *Session) setModes(m plan.TransactionModes) error {
	if m.Isolation != "" {
		if err := s.setIsolation(m.Isolation); err != nil {
			return err
		}
	}
	if m.ReadOnly != nil {
		if err := s.setReadOnly(*m.ReadOnly); err != nil {
			return err
		}
	}
	if m.Deferrable != nil {
		s.txn.deferrable = *m.Deferrable
	}
	return nil
}

func (s *Session) setTransaction(u *plan.SetTransaction) error {
	if u.Snapshot != "" {
		return unsupported("SET TRANSACTION SNAPSHOT is not supported")
	}
	if u.Session {
		m := u.Modes
		if m.Isolation != "" {
			s.settings.put("default_transaction_isolation", m.Isolation, false)
		}
		if m.ReadOnly != nil {
			s.settings.put("default_transaction_read_only", onOff(*m.ReadOnly), false)
		}
		if m.Deferrable != nil {
			s.settings.put("default_transaction_deferrable", onOff(*m.Deferrable), false)
		}
		return nil
	}
	if s.txn.state == txnImplicit {
		s.warn(types.CodeNoActiveSQLTransaction, "SET TRANSACTION can only be used in transaction blocks")
	}
	return s.setModes(u.Modes)
}

// runSettings runs SET, RESET, SHOW and DISCARD.
func (s *Session) runSettings(x *execution, out *outcome) (bool, error) {
	switch u := x.analyzed.plan.Utility.(type) {
	case *plan.Set:
		return true, s.set(u)
	case *plan.Reset:
		return true, s.resetSetting(u)
	case *plan.Show:
		rows, err := s.show(u.Name)
		out.rows = &listed{rows}
		return true, err
	case *plan.Discard:
		return true, s.discard(u.What)
	}
	return false, nil
}

func (s *Session) set(u *plan.Set) error {
	if u.Default {
		return s.resetSetting(&plan.Reset{Name: u.Name})
	}
	if u.Local && s.txn.state == txnImplicit {
		s.warn(types.CodeNoActiveSQLTransaction, "SET LOCAL can only be used in transaction blocks")
	}
	if u.Name == "session_authorization" {
		if u.Value == s.user {
			return nil
		}
		return types.Errorf(types.CodeInsufficientPrivilege, "permission denied to set session authorization %q", u.Value)
	}
	return s.assign(u.Name, u.Value, u.Local)
}

// assign gives a setting a value, as SET and set_config do.
func (s *Session) assign(name, value string, local bool) error {
	switch strings.ToLower(name) {
	case "transaction_isolation":
		v, err := settingIndex["transaction_isolation"].parse(value)
		if err != nil {
			return err
		}
		return s.setIsolation(v)
	case "transaction_read_only":
		v, err := settingIndex["transaction_read_only"].parse(value)
		if err != nil {
			return err
		}
		return s.setReadOnly(v == "on")
	}
	def, ok := lookupSetting(name)
	if !ok {
		if !isCustom(name) {
			return unknownSetting(name)
		}
		s.settings.put(name, value, local)
		return nil
	}
	v, err := s.checkSetting(def, value)
	if err != nil {
		return err
	}
	s.settings.put(name, v, local)
	if strings.EqualFold(name, "application_name") {
		s.setApplication(v)
	}
	return nil
}

func (s *Session) setApplication(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.activity.application = name
}

func (s *Session) resetSetting(u *plan.Reset) error {
	if u.All {
		for name := range s.settings.all() {
			s.settings.clear(name)
		}
		return nil
	}
	def, ok := lookupSetting(u.Name)
	switch {
	case !ok && !isCustom(u.Name):
		return unknownSetting(u.Name)
	case ok && (def.context == internalContext || def.context == fixedContext):
		return types.Errorf(types.CodeCantChangeRuntimeParam, "parameter %q cannot be changed", def.name)
	}
	s.settings.clear(u.Name)
	return nil
}

// showName is the name of SHOW's column.
func showName(name string) string {
	if def, ok := lookupSetting(name); ok {
		return def.name
	}
	return name
}

func (s *Session) show(name string) ([][]any, error) {
	if name == "all" {
		var rows [][]any
		for _, n := range settingNames() {
			def, _ := lookupSetting(n)
			v, _ := s.setting(n)
			rows = append(rows, []any{n, def.show(v), def.desc})
		}
		return rows, nil
	}
	v, ok := s.setting(name)
	if !ok {
		return nil, unknownSetting(name)
	}
	if def, known := lookupSetting(name); known {
		v = def.show(v)
	}
	return [][]any{{v}}, nil
}

func (s *Session) discard(what string) error {
	switch strings.ToLower(what) {
	case "all":
		if s.txn.state == txnBlock {
			return types.Errorf(types.CodeActiveSQLTransaction, "DISCARD ALL cannot run inside a transaction block")
		}
		for name := range s.portals {
			s.ClosePortal(name)
		}
		s.statements = map[string]*Statement{}
		s.engine.channels.unlistenAll(s)
		return s.resetSetting(&plan.Reset{All: true})
	case "plans", "sequences", "temp", "temporary":
		return nil
	}
	return types.Errorf(types.CodeSyntaxError, "DISCARD %s is not known", what)
}

// runOther runs what is left: messages, COPY, maintenance.
func (s *Session) runOther(x *execution, out *outcome, w ResultWriter) (bool, error) {
	switch u := x.analyzed.plan.Utility.(type) {
	case *plan.Listen:
		s.engine.channels.listen(s, u.Channel)
	case *plan.Unlisten:
		if u.All {
			s.engine.channels.unlistenAll(s)
		} else {
			s.engine.channels.unlisten(s, u.Channel)
		}
	case *plan.Notify:
		return true, s.notify(u.Channel, u.Payload)
	case *plan.Copy:
		return true, s.copy(x, u, out, w)
	case *plan.Explain:
		rows, err := s.explain(x, u)
		out.rows = &listed{rows}
		return true, err
	case *plan.Lock:
		return true, s.inBlock("LOCK TABLE")
	case *plan.Vacuum:
		return true, s.vacuum(x.ctx, u)
	case *plan.Reindex:
		return true, s.reindex(x.ctx, u)
	case *plan.Checkpoint:
		return true, nil
	case *plan.CreateExtension:
		return true, s.createExtension(u)
	case *plan.CreateDatabase:
		return true, unsupported("a server holds one database")
	case *plan.DropDatabase:
		return true, unsupported("a server holds one database, which is its directory")
	case *plan.Call:
		return true, unsupported("CALL is not supported")
	default:
		return false, nil
	}
	return true, nil
}

// maxPayload is how many bytes a notification carries, PostgreSQL's number.
const maxPayload = 7999

func (s *Session) notify(channel, payload string) error {
	if channel == "" || len(channel) > 63 {
		return types.Errorf(types.CodeInvalidParameterValue, "channel name must have 1 to 63 bytes")
	}
	if len(payload) > maxPayload {
		return types.Errorf(types.CodeInvalidParameterValue, "payload string too long")
	}
	n := notification{channel, payload}
	for _, old := range s.txn.notify { // the same message counts once in a transaction
		if old == n {
			return nil
		}
	}
	s.txn.notify = append(s.txn.notify, n)
	return nil
}

// vacuum settles the rows of tables and gives back the space of dead ones.
func (s *Session) vacuum(ctx context.Context, u *plan.Vacuum) error {
	if !u.Vacuum {
		return nil
	}
	if s.txn.state == txnBlock {
		return types.Errorf(types.CodeActiveSQLTransaction, "VACUUM cannot run inside a transaction block")
	}
	relations := u.Relations
	if relations == nil {
		for _, t := range s.batch().Tables() {
			relations = append(relations, s.engine.relations.ofTable(t))
		}
	}
	for _, r := range relations {
		t, ok := tableOf(r)
		if !ok {
			continue
		}
		if err := s.engine.db.Seal(ctx, t.ID); err != nil {
			return err
		}
		if err := s.engine.db.Compact(ctx, t.ID); err != nil {
			return err
		}
	}
	return nil
}

// createExtension accepts the extensions whose work is built in.
func (s *Session) createExtension(u *plan.CreateExtension) error {
	switch u.Name {
	case "vector", "plpgsql":
		if !u.IfNotExists && u.Name == "plpgsql" {
			return types.Errorf(types.CodeDuplicateObject, "extension %q already exists", u.Name)
		}
		if u.IfNotExists {
			s.note("extension %q already exists, skipping", u.Name)
		}
		return nil
	}
	return types.Errorf(types.CodeFeatureNotSupported, "extension %q is not available", u.Name).
		WithHint("%s", fmt.Sprintf("The extension %q is built in; there are no others.", "vector"))
}
