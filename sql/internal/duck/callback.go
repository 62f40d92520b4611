package duck

import "C"

import (
	"fmt"
	"runtime/debug"
	"unsafe"

	mapping "github.com/duckdb/duckdb-go-bindings"
)

// This file holds the functions that DuckDB calls, on its own threads. A panic must not leave any of them: unwinding
// through DuckDB's frames would leave its locks held, and on a worker thread it would end the process.

// PanicError is what a statement fails with when a function or relation of ours panicked.
type PanicError struct {
	Where string // the function's name
	Value any    // what was panicked with
	Stack []byte
}

// Error names the function and the panic's value, not the stack.
func (e *PanicError) Error() string { return fmt.Sprintf("panic in %s: %v", e.Where, e.Value) }

// guard runs f and turns a panic into an error.
func guard(where string, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &PanicError{Where: where, Value: p, Stack: debug.Stack()}
		}
	}()
	return f()
}

//export engramScalarBind
func engramScalarBind(info unsafe.Pointer) {
	bi := mapping.BindInfo{Ptr: info}
	err := guard("binding a function", func() error {
		var ctx mapping.ClientContext
		mapping.ScalarFunctionGetClientContext(bi, &ctx)
		defer mapping.DestroyClientContext(&ctx)
		id := uint64(mapping.ClientContextGetConnectionId(ctx))
		mapping.ScalarFunctionSetBindData(bi, newIDCell(id), freePtr)
		mapping.ScalarFunctionSetBindDataCopy(bi, cellCopyPtr)
		return nil
	})
	if err != nil {
		mapping.ScalarFunctionBindSetError(bi, carried(err))
	}
}

//export engramScalarExec
func engramScalarExec(info, input, output unsafe.Pointer) {
	fi := mapping.FunctionInfo{Ptr: info}
	var x *execution
	err := guard("calling a function", func() error {
		f := handleValue(mapping.ScalarFunctionGetExtraInfo(fi)).(*scalar)
		x = f.inst.running(idCellValue(mapping.ScalarFunctionGetBindData(fi)))
		return f.call(x, mapping.DataChunk{Ptr: input}, mapping.Vector{Ptr: output})
	})
	if err != nil {
		mapping.ScalarFunctionSetError(fi, x.carry(err))
	}
}

//export engramRowsBind
func engramRowsBind(info unsafe.Pointer) {
	bi := mapping.BindInfo{Ptr: info}
	var x *execution
	err := guard(RowsFunction, func() error {
		inst := handleValue(mapping.BindGetExtraInfo(bi)).(*Instance)
		var ctx mapping.ClientContext
		mapping.TableFunctionGetClientContext(bi, &ctx)
		defer mapping.DestroyClientContext(&ctx)
		x = inst.running(uint64(mapping.ClientContextGetConnectionId(ctx)))
		return bindRows(x, bi)
	})
	if err != nil {
		mapping.BindSetError(bi, x.carry(err))
	}
}

//export engramRowsInit
func engramRowsInit(info unsafe.Pointer) {
	ii := mapping.InitInfo{Ptr: info}
	var x *execution
	err := guard(RowsFunction, func() error {
		b := handleValue(mapping.InitGetBindData(ii)).(*rowsBinding)
		x = b.conn.current.Load()
		return initRows(x, b, ii)
	})
	if err != nil {
		mapping.InitSetError(ii, x.carry(err))
	}
}

//export engramRowsNext
func engramRowsNext(info, output unsafe.Pointer) {
	fi := mapping.FunctionInfo{Ptr: info}
	var x *execution
	err := guard(RowsFunction, func() error {
		s := handleValue(mapping.FunctionGetInitData(fi)).(*rowsScan)
		x = s.exec
		return s.next(mapping.DataChunk{Ptr: output})
	})
	if err != nil {
		mapping.FunctionSetError(fi, x.carry(err))
	}
}

// closer is what a handle's value may do when DuckDB lets go of it.
type closer interface{ closeHandle() }

//export engramDrop
func engramDrop(cell unsafe.Pointer) {
	if cell == nil {
		return
	}
	_ = guard("closing a scan", func() error { // DuckDB asks no answer when it frees
		if c, ok := handleValue(cell).(closer); ok {
			c.closeHandle()
		}
		return nil
	})
	dropHandle(cell)
}
