package duck

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"unsafe"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// ScalarFunction is a function of ours that SQL can call, over a chunk of rows at a time.
type ScalarFunction struct {
	Name     string
	Params   []Type // Any stands for every type; the Vector then says which
	Variadic *Type  // type of further arguments, nil for none
	Returns  Type
	Volatile bool // the result may differ for equal arguments: it is called for every row, never folded
	NullIn   bool // Exec sees rows with NULL arguments; otherwise their result is NULL and Exec never sees them

	// Exec computes rows results; args[j] and out have rows 0..rows-1. Every row of out is to be set. It is called from
	// several threads at once, with the context of the Query or Exec that runs the statement, and not at all during
	// Prepare. Unless Volatile it is called with one row when all rows of a chunk are equal, as constants are. Errors
	// reach the caller of Query or Next under errors.Is and errors.As; panics become a *PanicError.
	Exec func(ctx context.Context, args []Vector, rows int, out *Writer) error
}

// scalar is a registered function.
type scalar struct {
	ScalarFunction
	inst   *Instance
	spread bool // results can be repeated by copying memory
	calls  sync.Pool
}

// call is the memory of one chunk's call.
type call struct {
	args []Vector
	typs []Type
	sel  []uint32
	out  Writer
}

// Register makes functions callable on every connection, now and later. Functions with the same name are overloads of
// each other; one with the same parameters replaces the earlier one, DuckDB's own scalar functions included. The name of
// an aggregate or macro cannot be taken.
func (i *Instance) Register(fs ...ScalarFunction) error {
	c, err := i.Connect()
	if err != nil {
		return err
	}
	defer c.Close()
	byName := map[string][]ScalarFunction{}
	var order []string
	for _, f := range fs {
		if f.Name == "" || f.Exec == nil {
			return fmt.Errorf("duck: a function needs a name and Exec")
		}
		if byName[f.Name] == nil {
			order = append(order, f.Name)
		}
		byName[f.Name] = append(byName[f.Name], f)
	}
	for _, name := range order {
		if err := i.registerSet(c, name, byName[name]); err != nil {
			return err
		}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.funcs = append(i.funcs, append([]ScalarFunction(nil), fs...))
	return nil
}

func (i *Instance) registerSet(c *Conn, name string, fs []ScalarFunction) error {
	set := mapping.CreateScalarFunctionSet(name)
	defer mapping.DestroyScalarFunctionSet(&set)
	for _, f := range fs {
		h, err := i.build(f)
		if err != nil {
			return err
		}
		state := mapping.AddScalarFunctionToSet(set, h)
		mapping.DestroyScalarFunction(&h)
		if state != mapping.StateSuccess {
			return fmt.Errorf("duck: function %s: two overloads have the same parameters", name)
		}
	}
	if mapping.RegisterScalarFunctionSet(c.h, set) != mapping.StateSuccess {
		return fmt.Errorf("duck: function %s: DuckDB refuses it; the name may be taken", name)
	}
	return nil
}

// build makes DuckDB's object of f. The caller destroys it; DuckDB keeps what it shares with the registered function.
func (i *Instance) build(f ScalarFunction) (h mapping.ScalarFunction, err error) {
	types := append(append([]Type(nil), f.Params...), f.Returns)
	if f.Variadic != nil {
		types = append(types, *f.Variadic)
	}
	objects := make([]mapping.LogicalType, 0, len(types))
	defer func() {
		for k := range objects {
			mapping.DestroyLogicalType(&objects[k])
		}
	}()
	for k := range types {
		lt, err := types[k].logical()
		if err != nil {
			return h, fmt.Errorf("function %s: %w", f.Name, err)
		}
		objects = append(objects, lt)
	}
	h = mapping.CreateScalarFunction()
	mapping.ScalarFunctionSetName(h, f.Name)
	for k := range f.Params {
		mapping.ScalarFunctionAddParameter(h, objects[k])
	}
	mapping.ScalarFunctionSetReturnType(h, objects[len(f.Params)])
	if f.Variadic != nil {
		mapping.ScalarFunctionSetVarargs(h, objects[len(f.Params)+1])
	}
	if f.Volatile {
		mapping.ScalarFunctionSetVolatile(h)
	}
	if f.NullIn {
		mapping.ScalarFunctionSetSpecialHandling(h)
	}
	s := &scalar{ScalarFunction: f, inst: i}
	s.spread = !f.Volatile && !f.Returns.has(func(t *Type) bool { return t.ID == ArrayID || t.ID == UnionID })
	s.calls.New = func() any { return new(call) }
	mapping.ScalarFunctionSetExtraInfo(h, newHandle(s), dropPtr)
	mapping.ScalarFunctionSetBind(h, scalarBindPtr)
	mapping.ScalarFunctionSetFunction(h, scalarExecPtr)
	return h, nil
}

// call answers one chunk.
func (s *scalar) call(x *execution, in mapping.DataChunk, out mapping.Vector) error {
	if x == nil {
		return fmt.Errorf("duck: function %s is called outside of a statement", s.Name)
	}
	if x.preparing {
		return ErrPreparing
	}
	if x.ctx.Err() != nil {
		return causeOf(x.ctx)
	}
	c := s.calls.Get().(*call)
	defer s.calls.Put(c)
	n := int(mapping.DataChunkGetSize(in))
	c.attach(s, in, n)
	var first error
	c.out.attach(out, &s.Returns, n, &first)
	if n == 0 {
		return nil
	}
	rows, again := n, 0
	if !s.NullIn {
		rows = c.leaveNulls(n)
	}
	if s.spread && rows == n && n > 1 && c.allSame(n) {
		rows, again = 1, n
	}
	if rows > 0 {
		if err := guard(s.Name, func() error { return s.Exec(x.ctx, c.args, rows, &c.out) }); err != nil {
			return err
		}
	}
	if err := c.out.finish(); err != nil {
		return fmt.Errorf("function %s: %w", s.Name, err)
	}
	if again > 0 {
		c.out.repeat(again)
	}
	return nil
}

// attach points the arguments at the chunk's columns.
func (c *call) attach(s *scalar, in mapping.DataChunk, n int) {
	count := int(mapping.DataChunkGetColumnCount(in))
	if len(c.args) != count {
		c.args, c.typs = make([]Vector, count), make([]Type, count)
	}
	for j := range c.args {
		h := mapping.DataChunkGetVector(in, mapping.IdxT(j))
		t := s.Variadic
		if j < len(s.Params) {
			t = &s.Params[j]
		}
		if t == nil || t.has(func(u *Type) bool { return u.ID == AnyID }) {
			c.typs[j] = takeType(mapping.VectorGetColumnType(h))
			t = &c.typs[j]
		}
		c.args[j].attach(h, t, n)
	}
}

// leaveNulls makes the arguments and the result skip rows with a NULL argument, whose result it sets to NULL, and counts
// the rows that stay.
func (c *call) leaveNulls(n int) int {
	clean := true
	for j := range c.args {
		clean = clean && c.args[j].mask == nil && c.args[j].typ.ID != SQLNullID
	}
	if clean {
		return n
	}
	c.sel = c.sel[:0]
	for r := 0; r < n; r++ {
		null := false
		for j := range c.args {
			null = null || c.args[j].nullAt(r) || c.args[j].typ.ID == SQLNullID
		}
		if null {
			c.out.nullAt(r)
		} else {
			c.sel = append(c.sel, uint32(r))
		}
	}
	if len(c.sel) == n {
		return n
	}
	for j := range c.args {
		c.args[j].sel = c.sel
	}
	c.out.sel = c.sel
	return len(c.sel)
}

// allSame reports whether all n rows hold the same arguments, by their memory. DuckDB hands constants over as n copies
// of one value, strings and lists pointing to the same bytes; without this a call with constant arguments would be
// computed 2,048 times.
func (c *call) allSame(n int) bool {
	for j := range c.args {
		if !c.args[j].allSame(n) {
			return false
		}
	}
	return true
}

func (v *Vector) allSame(n int) bool {
	if v.mask != nil {
		null := v.nullAt(0)
		for r := 1; r < n; r++ {
			if v.nullAt(r) != null {
				return false
			}
		}
		if null {
			return true
		}
	}
	switch v.typ.ID {
	case StructID, UnionID:
		for k := range v.kids {
			if !v.kids[k].allSame(n) {
				return false
			}
		}
		return true
	case ArrayID:
		w := v.typ.Elem.width() * v.typ.Size
		kid := &v.kids[0]
		if w == 0 || kid.mask != nil {
			return false
		}
		return repeats(kid.data, w, n)
	}
	w := v.typ.width()
	return w > 0 && repeats(v.data, w, n)
}

// repeats reports whether n items of w bytes at p are all equal: then the memory equals itself moved on by one item.
func repeats(p unsafe.Pointer, w, n int) bool {
	b := unsafe.Slice((*byte)(p), n*w)
	return bytes.Equal(b[(n-1)*w:], b[:w]) && bytes.Equal(b[w:], b[:(n-1)*w])
}

// repeat copies row 0 to the rows 1..n-1. Strings and lists may share their bytes and elements.
func (w *Writer) repeat(n int) {
	if w.mask != nil && *w.mask&1 == 0 {
		for r := 1; r < n; r++ {
			w.nullAt(r)
		}
		return
	}
	if w.typ.ID == StructID {
		for k := range w.kids {
			w.kids[k].repeat(n)
		}
		return
	}
	width := w.typ.width()
	b := unsafe.Slice((*byte)(w.data), n*width)
	for done := width; done < len(b); done *= 2 {
		copy(b[done:], b[:done])
	}
}
