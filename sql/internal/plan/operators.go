package plan

import (
	"strings"

	pgquery "github.com/pganalyze/pg_query_go/v6"

	"engram/sql/types"
)

// operators are all but arithmetic on numbers and comparisons, which operator handles itself. A unary operator has one
// argument.
const operators = `
||(text, text) text = ($1 || $2)
||(bytea, bytea) bytea = ($1 || $2)
||(jsonb, jsonb) jsonb = __engram_jsonb_concat($*)
||(varbit, varbit) varbit = ($1 || $2)
||(anyarray, anyarray) anyarray! = CASE WHEN $1 IS NOT NULL OR $2 IS NOT NULL THEN list_concat($1, $2) END
||(anyarray, anyelement) anyarray! = list_append(coalesce($1, []), $2)
||(anyelement, anyarray) anyarray! = list_prepend($1, coalesce($2, []))
||(vector, vector) vector = list_concat($1, $2)
~~(text, text) bool = ($1 LIKE $2 ESCAPE '\')
!~~(text, text) bool = ($1 NOT LIKE $2 ESCAPE '\')
~~*(text, text) bool = ($1 ILIKE $2 ESCAPE '\')
!~~*(text, text) bool = ($1 NOT ILIKE $2 ESCAPE '\')
~(text, text) bool = __engram_regexp_like($1, $2, '')
!~(text, text) bool = (NOT __engram_regexp_like($1, $2, ''))
~*(text, text) bool = __engram_regexp_like($1, $2, 'i')
!~*(text, text) bool = (NOT __engram_regexp_like($1, $2, 'i'))
^@(text, text) bool = starts_with($1, $2)
->(json, text) json = __engram_json_get($*)
->(jsonb, text) jsonb = __engram_jsonb_get($*)
->(json, int4) json = __engram_json_at($*)
->(jsonb, int4) jsonb = __engram_jsonb_at($*)
->>(json, text) text = __engram_json_get_text($*)
->>(jsonb, text) text = __engram_json_get_text($*)
->>(json, int4) text = __engram_json_at_text($*)
->>(jsonb, int4) text = __engram_jsonb_at_text($*)
#>(json, text[]) json = __engram_json_path($*)
#>(jsonb, text[]) jsonb = __engram_jsonb_path($*)
#>>(json, text[]) text = __engram_json_path_text($*)
#>>(jsonb, text[]) text = __engram_json_path_text($*)
@>(jsonb, jsonb) bool = __engram_jsonb_contains($1, $2)
<@(jsonb, jsonb) bool = __engram_jsonb_contains($2, $1)
@>(anyarray, anyarray) bool = list_has_all($1, $2)
<@(anyarray, anyarray) bool = list_has_all($2, $1)
&&(anyarray, anyarray) bool = list_has_any($1, $2)
?(jsonb, text) bool = __engram_jsonb_exists($*)
?|(jsonb, text[]) bool = __engram_jsonb_exists_any($*)
?&(jsonb, text[]) bool = __engram_jsonb_exists_all($*)
-(jsonb, text) jsonb = __engram_jsonb_delete($*)
-(jsonb, int4) jsonb = __engram_jsonb_delete_at($*)
-(jsonb, text[]) jsonb = __engram_jsonb_delete_keys($*)
#-(jsonb, text[]) jsonb = __engram_jsonb_delete_path($*)
<->(vector, vector) float8 = __engram_l2_distance($*)
<=>(vector, vector) float8 = __engram_cosine_distance($*)
<#>(vector, vector) float8 = __engram_negative_inner_product($*)
<+>(vector, vector) float8 = __engram_l1_distance($*)
<~>(varbit, varbit) float8 = __engram_hamming_distance($*)
<%>(varbit, varbit) float8 = __engram_jaccard_distance($*)
+(vector, vector) vector = __engram_vector_add($*)
-(vector, vector) vector = __engram_vector_sub($*)
*(vector, vector) vector = __engram_vector_mul($*)
+(date, int4) date = ($1 + $2)
+(int4, date) date = ($2 + $1)
-(date, int4) date = ($1 - $2)
-(date, date) int4 = CAST(($1 - $2) AS INTEGER)
+(date, interval) timestamp = ($1 + $2)
+(interval, date) timestamp = ($2 + $1)
-(date, interval) timestamp = ($1 - $2)
+(date, time) timestamp = ($1 + $2)
+(timestamp, interval) timestamp = ($1 + $2)
+(interval, timestamp) timestamp = ($2 + $1)
-(timestamp, interval) timestamp = ($1 - $2)
-(timestamp, timestamp) interval = ($1 - $2)
+(timestamptz, interval) timestamptz = ($1 + $2)
+(interval, timestamptz) timestamptz = ($2 + $1)
-(timestamptz, interval) timestamptz = ($1 - $2)
-(timestamptz, timestamptz) interval = ($1 - $2)
+(time, interval) time = ($1 + $2)
-(time, interval) time = ($1 - $2)
-(time, time) interval = ($1 - $2)
+(interval, interval) interval = ($1 + $2)
-(interval, interval) interval = ($1 - $2)
*(interval, float8) interval = __engram_interval_mul($1, $2)
*(float8, interval) interval = __engram_interval_mul($2, $1)
/(interval, float8) interval = __engram_interval_div($1, $2)
-(interval) interval = (- $1)
&(int2, int2) int2 = ($1 & $2)
&(int4, int4) int4 = ($1 & $2)
&(int8, int8) int8 = ($1 & $2)
|(int2, int2) int2 = ($1 | $2)
|(int4, int4) int4 = ($1 | $2)
|(int8, int8) int8 = ($1 | $2)
#(int4, int4) int4 = xor($1, $2)
#(int8, int8) int8 = xor($1, $2)
~(int2) int2 = (~ $1)
~(int4) int4 = (~ $1)
~(int8) int8 = (~ $1)
<<(int2, int4) int2 = CAST(xor(__engram_shift_left_int4($*) & 65535, 32768) - 32768 AS SMALLINT)
>>(int2, int4) int2 = CAST(__engram_shift_right_int4($*) AS SMALLINT)
<<(int4, int4) int4 = __engram_shift_left_int4($*)
>>(int4, int4) int4 = __engram_shift_right_int4($*)
<<(int8, int4) int8 = __engram_shift_left_int8($*)
>>(int8, int4) int8 = __engram_shift_right_int8($*)
&(varbit, varbit) varbit = __engram_bit_and($*)
|(varbit, varbit) varbit = __engram_bit_or($*)
#(varbit, varbit) varbit = __engram_bit_xor($*)
~(varbit) varbit = translate($1, '01', '10')
|/(float8) float8 = __engram_sqrt($1)
||/(float8) float8 = cbrt($1)
@(int4) int4 = abs($1)
@(int8) int8 = abs($1)
@(float8) float8 = abs($1)
@(numeric) numeric = abs($1)
`

// operatorName takes the name of an operator; a schema may only be pg_catalog (or public, where extensions put theirs).
func (a *analyzer) operatorName(names []*pgquery.Node, loc int32) string {
	if len(names) == 0 {
		return ""
	}
	if len(names) > 1 {
		if s := names[0].GetString_().GetSval(); s != "pg_catalog" && s != "public" {
			a.fail(loc, types.CodeUndefinedFunction, "operator does not exist: %s.%s", s, names[len(names)-1].GetString_().GetSval())
		}
	}
	return names[len(names)-1].GetString_().GetSval()
}

var comparisons = map[string]string{"=": "=", "<>": "<>", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}

// operator binds op over one or two operands.
func (a *analyzer) operator(op string, l, r *node, loc int32) *node {
	if l == nil {
		return a.unary(op, r, loc)
	}
	if c, ok := comparisons[op]; ok {
		return a.comparison(c, l, r, loc)
	}
	if strings.Contains("+-*/%^", op) {
		if n := a.arithmetic(op, l, r, loc); n != nil {
			return n
		}
	}
	return a.tableOperator(op, []*node{l, r}, loc)
}

// tableOperator finds an operator in the table. An untyped operand takes the other one's type where that fits.
func (a *analyzer) tableOperator(op string, args []*node, loc int32) *node {
	sigs := operatorTable()[op]
	if op == "||" && args[0].isUnknown() != args[1].isUnknown() && plainValue(args[0]) && plainValue(args[1]) {
		return a.concatenation(args, loc)
	}
	if len(args) == 2 && args[0].isUnknown() != args[1].isUnknown() {
		k, u := args[0], 1
		if k.isUnknown() {
			k, u = args[1], 0
		}
		same := []*node{args[0], args[1]}
		same[u] = &node{typ: types.Type{OID: k.oid(), Mod: -1}}
		if s := choose(sigs, same); s != nil && s.matchCost(same) <= 2 { // exactly, or as array and array
			sigs = []*signature{s}
		}
	}
	s := choose(sigs, args)
	if s == nil || op == "||" && len(args) == 2 && !concatenates(s, args) {
		if op == "||" {
			if n := a.concatenation(args, loc); n != nil {
				return n
			}
		}
		a.noOperator(op, args, loc)
	}
	if a.momentPlusUnknown(op, args) {
		panic(a.at(loc, types.Errorf(types.CodeAmbiguousFunction, "operator is not unique: %s %s %s", args[0].Type(), op, args[1].Type()).
			WithHint("Could not choose a best candidate operator. You might need to add explicit type casts.")))
	}
	t := a.bind(s, args, loc)
	return a.callNode(s, t, args, loc)
}

// momentPlusUnknown: date + 'x' has two readings, between which PostgreSQL does not choose.
func (a *analyzer) momentPlusUnknown(op string, args []*node) bool {
	return op == "+" && len(args) == 2 && (args[0].oid() == types.DateOID && args[1].isUnknown() || args[1].oid() == types.DateOID && args[0].isUnknown())
}

// plainValue reports whether a value joins texts by its own text: it is nothing that || itself knows.
func plainValue(n *node) bool {
	oid := n.oid()
	return !isArray(n.Type()) && !isJSON(oid) && !isBits(oid) && !isVector(oid) && oid != types.ByteaOID && oid != 0
}

// concatenates reports whether a || signature takes its operands as they are.
func concatenates(s *signature, args []*node) bool {
	return s.args[0].poly != "" || s.args[0].typ.OID != types.TextOID || isText(args[0].oid()) && isText(args[1].oid())
}

// concatenation is text || anything and anything || text.
func (a *analyzer) concatenation(args []*node, loc int32) *node {
	l, r := args[0], args[1]
	if !isText(l.oid()) && !isText(r.oid()) || isArray(l.Type()) || isArray(r.Type()) {
		return nil
	}
	text_ := types.Of(types.TextOID)
	l, r = a.coerce(l, text_, explicit, loc), a.coerce(r, text_, explicit, loc)
	s := choose(operatorTable()["||"], []*node{l, r})
	return a.callNode(s, text_, []*node{l, r}, loc)
}

func (a *analyzer) noOperator(op string, args []*node, loc int32) {
	var e *types.Error
	if len(args) == 1 {
		e = types.Errorf(types.CodeUndefinedFunction, "operator does not exist: %s %s", op, args[0].Type())
	} else {
		e = types.Errorf(types.CodeUndefinedFunction, "operator does not exist: %s %s %s", args[0].Type(), op, args[1].Type())
	}
	panic(a.at(loc, e.WithHint("No operator matches the given name and argument type%s. You might need to add %s.",
		pick(len(args) == 1, "", "s"), pick(len(args) == 1, "an explicit type cast", "explicit type casts"))))
}

func (a *analyzer) unary(op string, r *node, loc int32) *node {
	if op == "+" || op == "-" {
		if r.isUnknown() {
			r = a.coerce(r, types.Of(types.Float8OID), implicit, loc)
		}
		if isNumber(r.oid()) {
			if op == "+" {
				return r
			}
			return a.negate(r, loc)
		}
	}
	return a.tableOperator(op, []*node{r}, loc)
}

func (a *analyzer) negate(r *node, loc int32) *node {
	t := types.Of(r.oid())
	run := strict([]*node{r}, func(_ *Env, v []any) (any, error) { return negateValue(t.OID, v[0]) })
	if r.kind == constNode && r.value != nil {
		if v, err := negateValue(t.OID, r.value); err == nil {
			return constant(t, v)
		}
	}
	return with(t, loc, []*node{r}, func(p *printer) {
		p.str("(- ")
		p.node(r)
		p.str(")")
	}, run)
}

// promote gives the type in which two numbers meet.
func promote(l, r uint32) uint32 {
	a, b := numberRank[l], numberRank[r]
	if a == b {
		return l
	}
	if a < b {
		l, r = r, l
	}
	if l == types.Float4OID { // int4 + real, numeric + real
		return types.Float8OID
	}
	return l
}

// arithmetic binds an operator between two numbers; nil when the operands are no numbers.
func (a *analyzer) arithmetic(op string, l, r *node, loc int32) *node {
	switch {
	case l.isUnknown() && r.isUnknown():
		if op == "^" {
			break
		}
		panic(a.at(loc, types.Errorf(types.CodeAmbiguousFunction, "operator is not unique: unknown %s unknown", op).
			WithHint("Could not choose a best candidate operator. You might need to add explicit type casts.")))
	case l.isUnknown() && isNumber(r.oid()):
		l = a.coerce(l, types.Of(r.oid()), implicit, loc)
	case r.isUnknown() && isNumber(l.oid()):
		r = a.coerce(r, types.Of(l.oid()), implicit, loc)
	case isOID(l.oid()) && isNumber(r.oid()):
		l = a.coerce(l, types.Of(types.Int8OID), explicit, loc)
	case isOID(r.oid()) && isNumber(l.oid()):
		r = a.coerce(r, types.Of(types.Int8OID), explicit, loc)
	}
	if !isNumber(l.oid()) || !isNumber(r.oid()) {
		return nil
	}
	oid := promote(l.oid(), r.oid())
	switch op {
	case "^":
		if oid != types.NumericOID || isFloat(l.oid()) || isFloat(r.oid()) {
			oid = types.Float8OID
		}
	case "%":
		if isFloat(oid) {
			return nil
		}
	}
	t := types.Of(oid)
	args := []*node{a.toNumber(l, oid), a.toNumber(r, oid)}
	return with(t, loc, args, arithmeticText(op, oid, args), strict(args, func(_ *Env, v []any) (any, error) {
		return calculate(op, oid, v[0], v[1])
	}))
}

// toNumber casts an operand to the type in which the operation runs. Integer literals and integers beside numerics stay
// as they are: DuckDB adapts both.
func (a *analyzer) toNumber(n *node, oid uint32) *node {
	if n.oid() == oid {
		return n
	}
	if oid == types.NumericOID && isInt(n.oid()) && n.run == nil {
		return n
	}
	return a.cast(n, types.Of(oid), implicit)
}

func arithmeticText(op string, oid uint32, args []*node) func(*printer) {
	l, r := args[0], args[1]
	binary := func(symbol string) func(*printer) {
		return func(p *printer) {
			p.str("(")
			p.node(l)
			p.str(" ", symbol, " ")
			p.node(r)
			p.str(")")
		}
	}
	switch {
	case op == "^" && oid == types.Float8OID:
		return template("__engram_power($1, $2)", args)
	case op == "^":
		return template("CAST(__engram_numeric_power(CAST($1 AS VARCHAR), CAST($2 AS VARCHAR)) AS DECIMAL(38, 16))", args)
	case op == "/" && oid == types.NumericOID:
		return template("CAST(__engram_numeric_div(CAST($1 AS VARCHAR), CAST($2 AS VARCHAR)) AS DECIMAL(38, 16))", args)
	case op == "/" || op == "%":
		symbol := op
		if isInt(oid) && op == "/" {
			symbol = "//"
		}
		return func(p *printer) {
			p.str("(")
			p.node(l)
			p.str(" ", symbol, " ")
			p.nonZero(r)
			p.str(")")
		}
	}
	return binary(op)
}

// nonZero prints a divisor that raises 22012 when it is zero; DuckDB itself would answer NULL or infinity.
func (p *printer) nonZero(n *node) {
	if n.kind == constNode && n.value != nil && !isZero(n.value) {
		p.node(n)
		return
	}
	const message = "division by zero"
	if n.kind == columnNode || n.kind == paramNode || n.kind == constNode {
		p.str("(CASE WHEN ")
		p.node(n)
		p.str(" = 0 THEN ", raise(types.CodeDivisionByZero, message), " ELSE ")
		p.node(n)
		p.str(" END)")
		return
	}
	p.str("list_transform([") // evaluates, and prints, the divisor once
	p.node(n)
	p.str("], lambda __engram_e: CASE WHEN __engram_e = 0 THEN ", raise(types.CodeDivisionByZero, message), " ELSE __engram_e END)[1]")
}

// comparison binds =, <>, <, <=, >, >=.
func (a *analyzer) comparison(op string, l, r *node, loc int32) *node {
	if l.kind == rowNode && r.kind == rowNode {
		return a.rowComparison(op, l, r, loc)
	}
	l, r = a.comparable(op, l, r, loc)
	args := []*node{l, r}
	t := l.Type()
	n := with(types.Of(types.BoolOID), loc, args, func(p *printer) {
		p.str("(")
		p.node(l)
		p.str(" ", op, " ")
		p.node(r)
		p.str(")")
	}, strict(args, func(_ *Env, v []any) (any, error) { return compareOp(op, t, v[0], v[1]) }))
	if op == "=" {
		n.value = equality{l, r}
	}
	return n
}

// comparable brings two operands to one type.
func (a *analyzer) comparable(op string, l, r *node, loc int32) (*node, *node) {
	lt, rt := l.Type(), r.Type()
	fail := func() { a.noOperator(op, []*node{l, r}, loc) }
	var t types.Type
	switch {
	case l.isUnknown() && r.isUnknown():
		t = types.Of(types.TextOID)
	case lt.OID == 0 || rt.OID == 0:
		return l, r
	case l.isUnknown():
		t = types.Of(rt.OID)
	case r.isUnknown():
		t = types.Of(lt.OID)
	case lt.OID == rt.OID:
		t = types.Of(lt.OID)
	case isNumber(lt.OID) && isNumber(rt.OID):
		t = types.Of(promote(lt.OID, rt.OID))
	case isText(lt.OID) && isText(rt.OID):
		t = types.Of(types.TextOID)
	case isOID(lt.OID) && isInt(rt.OID) || isInt(lt.OID) && isOID(rt.OID):
		t = types.Of(types.Int8OID)
	case isOID(lt.OID) && isOID(rt.OID):
		t = types.Of(types.OidOID)
	case lt.OID == types.RegclassOID && isText(rt.OID) || rt.OID == types.RegclassOID && isText(lt.OID):
		t = types.Of(types.RegclassOID)
	case coercible(r, types.Of(lt.OID), implicit):
		t = types.Of(lt.OID)
	case coercible(l, types.Of(rt.OID), implicit):
		t = types.Of(rt.OID)
	default:
		fail()
	}
	if t.OID == types.JSONOID {
		fail() // json has no equality
	}
	if t.OID == types.BpcharOID && (l.isUnknown() || r.isUnknown()) {
		return a.blankless(a.coerce(l, t, implicit, loc)), a.blankless(a.coerce(r, t, implicit, loc))
	}
	l, r = a.operand(l, t, loc), a.operand(r, t, loc)
	return a.blankless(l), a.blankless(r)
}

// operand coerces one side of a comparison; integers beside other numbers stay for DuckDB to adapt, exactly.
func (a *analyzer) operand(n *node, t types.Type, loc int32) *node {
	if isInt(n.oid()) && isInt(t.OID) {
		return n
	}
	if isOID(n.oid()) && (t.OID == types.Int8OID || isOID(t.OID)) || isInt(n.oid()) && isOID(t.OID) {
		return n
	}
	if isText(n.oid()) && isText(t.OID) && !n.isUnknown() && n.oid() != types.BpcharOID {
		return n
	}
	return a.coerce(n, t, explicit, loc)
}

// blankless takes the padding of a char(n) away, which comparisons ignore.
func (a *analyzer) blankless(n *node) *node {
	if n.oid() != types.BpcharOID || n.kind == paramNode && n.isUnknown() {
		return n
	}
	return a.cast(n, types.Of(types.TextOID), implicit)
}

// rowComparison compares field by field.
func (a *analyzer) rowComparison(op string, l, r *node, loc int32) *node {
	if len(l.args) != len(r.args) {
		a.fail(loc, types.CodeSyntaxError, "unequal number of entries in row expressions")
	}
	if len(l.args) == 0 {
		a.fail(loc, types.CodeFeatureNotSupported, "cannot compare rows of zero length")
	}
	switch op {
	case "=", "<>":
		var terms []*node
		for i := range l.args {
			terms = append(terms, a.comparison(op, l.args[i], r.args[i], loc))
		}
		return junction(pick(op == "=", "AND", "OR"), terms, loc)
	}
	last := len(l.args) - 1
	out := a.comparison(op, l.args[last], r.args[last], loc)
	for i := last - 1; i >= 0; i-- {
		less := a.comparison(op[:1], l.args[i], r.args[i], loc)
		same := a.comparison("=", l.args[i], r.args[i], loc)
		out = junction("OR", []*node{less, junction("AND", []*node{same, out}, loc)}, loc)
	}
	return out
}

// junction is AND or OR of boolean terms.
func junction(word string, terms []*node, loc int32) *node {
	if len(terms) == 1 {
		return terms[0]
	}
	isAnd := word == "AND"
	n := with(types.Of(types.BoolOID), loc, terms, func(p *printer) {
		p.str("(")
		for i, t := range terms {
			if i > 0 {
				p.str(" ", word, " ")
			}
			p.node(t)
		}
		p.str(")")
	}, func(env *Env) (any, error) {
		var unknown bool
		for _, t := range terms {
			v, err := t.run(env)
			if err != nil {
				return nil, err
			}
			b, ok := v.(bool)
			if !ok {
				unknown = true
				continue
			}
			if b != isAnd {
				return b, nil
			}
		}
		if unknown {
			return nil, nil
		}
		return isAnd, nil
	})
	if isAnd {
		n.value = conjuncts(terms)
	}
	return n
}

// equality marks l = r.
type equality struct{ l, r *node }

// conjuncts marks a junction whose terms all must hold.
type conjuncts []*node
