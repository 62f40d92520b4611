package db

import "context"

// MemoriesID is the TableID of public.memories, which every database has.
const MemoriesID TableID = 1

// PublicSchema is the schema that every database starts with.
const PublicSchema = "public"

// Memory is a row of memories for embedded callers. Zero fields take their defaults.
type Memory struct {
	Text     string
	Category string
	Metadata map[string]any
	Image    []byte
	Audio    []byte

	TextEmbedding, ImageEmbedding, AudioEmbedding, JointEmbedding []float32

	Importance float32
}

// InsertMemory adds a memory and returns its id.
func (b *Batch) InsertMemory(ctx context.Context, m Memory) (int64, error) { return 0, errUnfinished }
