package duck

/*
#include <stdint.h>
#include <stdlib.h>

// Callbacks written in Go; see callback.go. DuckDB's own types are pointers, so no header of DuckDB's is needed.
extern void engramScalarBind(void *info);
extern void engramScalarExec(void *info, void *input, void *output);
extern void engramRowsBind(void *info);
extern void engramRowsInit(void *info);
extern void engramRowsNext(void *info, void *output);
extern void engramDrop(void *cell);

// A cell holds one number on the C side of the fence: a Go handle or a connection's id. C never keeps a Go pointer.
static void *engram_cell(uint64_t v) {
	uint64_t *cell = malloc(sizeof(uint64_t));
	if (cell != NULL) *cell = v;
	return cell;
}
static uint64_t engram_cell_value(void *cell) { return *(uint64_t *)cell; }
static void *engram_cell_copy(void *cell) { return cell == NULL ? NULL : engram_cell(*(uint64_t *)cell); }
static void *engram_cell_copier(void) { return (void *)engram_cell_copy; }
*/
import "C"

import (
	"runtime/cgo"
	"sync/atomic"
	"unsafe"
)

var (
	scalarBindPtr = unsafe.Pointer(C.engramScalarBind)
	scalarExecPtr = unsafe.Pointer(C.engramScalarExec)
	rowsBindPtr   = unsafe.Pointer(C.engramRowsBind)
	rowsInitPtr   = unsafe.Pointer(C.engramRowsInit)
	rowsNextPtr   = unsafe.Pointer(C.engramRowsNext)
	dropPtr       = unsafe.Pointer(C.engramDrop)
	cellCopyPtr   = C.engram_cell_copier()
	freePtr       = unsafe.Pointer(C.free)
)

// liveHandles counts the Go values that C refers to; tests see with it that nothing is left behind.
var liveHandles atomic.Int64

// newHandle makes a cell that refers to v until engramDrop is called on it.
func newHandle(v any) unsafe.Pointer {
	liveHandles.Add(1)
	return C.engram_cell(C.uint64_t(cgo.NewHandle(v)))
}

// handleValue is the Go value behind a cell made by newHandle.
func handleValue(cell unsafe.Pointer) any { return cgo.Handle(C.engram_cell_value(cell)).Value() }

// dropHandle forgets the value and frees the cell.
func dropHandle(cell unsafe.Pointer) {
	cgo.Handle(C.engram_cell_value(cell)).Delete()
	liveHandles.Add(-1)
	C.free(cell)
}

// newIDCell makes a cell holding a connection's id; it is freed by free itself and copied by engram_cell_copy.
func newIDCell(id uint64) unsafe.Pointer { return C.engram_cell(C.uint64_t(id)) }

func idCellValue(cell unsafe.Pointer) uint64 { return uint64(C.engram_cell_value(cell)) }
