package db

import (
	"context"
	"log/slog"
	"runtime"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options configure a database. Nil and the zero value mean the defaults.
type Options struct {
	FS     vfs.FS       // nil means the operating system's files
	Logger *slog.Logger // nil means no log

	// TextEncoder gives the model that turns text into vectors. It is called when one is first needed and again, about
	// every two seconds while texts wait, as long as its error wraps ErrNoModel. Nil means there is never a model.
	TextEncoder func(ctx context.Context) (Encoder, error)

	MemoryLimit  int64 // bytes for caches, write buffers and vectors of unsettled rows; 0 means 512 MiB
	BuildMemory  int64 // bytes that the build of a vector index may use beside them, one build at a time; 0 means as many as MemoryLimit
	BuildThreads int   // goroutines of a build in the background; 0 means half of GOMAXPROCS
	SealRows     int   // head rows of a table at which it is sealed; 0 means 50,000
	SealBytes    int64 // head bytes of a table at which it is sealed, and half of those of all tables together; 0 means a quarter of MemoryLimit, 4 MiB to 128 MiB
	NoBackground bool  // no sealing, compacting, indexing or embedding but by Seal, Compact, BuildIndexes and EmbedPending
}

// Encoder turns texts into vectors. Encode returns one vector of Dim elements for each text, in order.
// It must be safe for concurrent use.
type Encoder interface {
	Encode(ctx context.Context, texts []string) ([][]float32, error)
	Dim() int
	Name() string
}

// withDefaults returns the options with zero fields filled in.
func (o *Options) withDefaults() Options {
	var f Options
	if o != nil {
		f = *o
	}
	if f.FS == nil {
		f.FS = vfs.Default
	}
	if f.Logger == nil {
		f.Logger = slog.New(slog.DiscardHandler)
	}
	if f.MemoryLimit <= 0 {
		f.MemoryLimit = 512 << 20
	}
	if f.BuildMemory <= 0 {
		f.BuildMemory = f.MemoryLimit
	}
	if f.BuildThreads <= 0 {
		f.BuildThreads = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if f.SealRows <= 0 {
		f.SealRows = 50_000
	}
	if f.SealBytes <= 0 {
		f.SealBytes = min(max(f.MemoryLimit/4, 4<<20), 128<<20)
	}
	return f
}
