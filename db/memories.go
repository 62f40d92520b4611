package db

import (
	"context"
	"math"
	"slices"

	"engram/db/internal/row"
)

// MemoriesID is the TableID of public.memories, which every database has.
const MemoriesID TableID = 1

// PublicSchema is the schema that every database starts with.
const PublicSchema = "public"

// JointDim is the dimension of the joint embedding.
const JointDim = 768

// Positions and IDs of the columns of memories that package db itself reads or writes: IDs are positions plus one, and
// AlterTable keeps these columns.
const (
	memoryID = iota
	memoryCreatedAt
	memoryCategory
	memoryText
	memoryImage
	memoryAudio
	memoryMetadata
	memoryTextEmbedding
	memoryImageEmbedding
	memoryAudioEmbedding
	memoryJointEmbedding
)

// memoriesTable is the descriptor that a new database writes for memories.
var memoriesTable = func() *Table {
	t := &Table{
		ID: MemoriesID, Schema: PublicSchema, Name: "memories", Version: 1,
		Columns: []Column{
			{Name: "id", Type: TypeOf(Int8), NotNull: true, Identity: IdentityByDefault},
			{Name: "created_at", Type: TypeOf(Timestamptz), NotNull: true, Default: "now()"},
			{Name: "category", Type: TypeOf(Text)},
			{Name: "text", Type: TypeOf(Text)},
			{Name: "image", Type: TypeOf(Bytea)},
			{Name: "audio", Type: TypeOf(Bytea)},
			{Name: "metadata", Type: TypeOf(JSONB)},
			{Name: "text_embedding", Type: VectorOf(0)},
			{Name: "image_embedding", Type: VectorOf(0)},
			{Name: "audio_embedding", Type: VectorOf(0)},
			{Name: "joint_embedding", Type: VectorOf(JointDim)},
			{Name: "importance", Type: TypeOf(Float4), NotNull: true, Default: "0.5"},
			{Name: "access_count", Type: TypeOf(Int8), NotNull: true, Default: "0"},
			{Name: "accessed_at", Type: TypeOf(Timestamptz)},
			{Name: "tier", Type: TypeOf(Text), NotNull: true, Default: "'hot'::text"},
			{Name: "expires_at", Type: TypeOf(Timestamptz)},
		},
		PrimaryKey: []int{memoryID},
	}
	for i := range t.Columns {
		t.Columns[i].ID = uint32(i + 1)
	}
	t.nextColumn = uint32(len(t.Columns))
	t.Indexes = memoriesIndexes(t)
	if err := t.finish(); err != nil {
		panic(err)
	}
	return t
}()

// memoryColumns finds the built-in columns by their IDs: positions may differ after AlterTable.
type memoryColumns struct{ text, textEmbedding, joint int }

func columnsOfMemories(t *Table) memoryColumns {
	return memoryColumns{
		text:          t.columnByID(memoryText + 1),
		textEmbedding: t.columnByID(memoryTextEmbedding + 1),
		joint:         t.columnByID(memoryJointEmbedding + 1),
	}
}

// Memory is a row of memories for embedded callers. Zero fields take their columns' defaults.
type Memory struct {
	Text     string
	Category string
	Metadata map[string]any
	Image    []byte
	Audio    []byte

	// Embeddings that the caller brings; those of the text are made by the encoder when they are nil.
	TextEmbedding, ImageEmbedding, AudioEmbedding, JointEmbedding []float32

	Importance float32 // 0 means the default, 0.5
}

// InsertMemory adds a memory and returns its id. To add many, InsertMemories encodes their texts together.
func (b *Batch) InsertMemory(ctx context.Context, m Memory) (int64, error) {
	ids, err := b.InsertMemories(ctx, m)
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}

// InsertMemories adds memories and returns their ids.
func (b *Batch) InsertMemories(ctx context.Context, memories ...Memory) ([]int64, error) {
	t, err := b.TableByID(MemoriesID)
	if err != nil || len(memories) == 0 {
		return nil, err
	}
	first, err := b.d.nextIdentity(t, t.columnByID(memoryID+1), len(memories))
	if err != nil {
		return nil, err
	}
	ids := make([]int64, len(memories))
	rows := make([]Fields, len(memories))
	for i, m := range memories {
		ids[i] = first + int64(i)
		rows[i] = m.fields(ids[i])
	}
	if _, err := b.InsertFields(ctx, t, rows...); err != nil {
		return nil, err
	}
	return ids, nil
}

func (m *Memory) fields(id int64) Fields {
	f := Fields{"id": id}
	set := func(name string, v any, given bool) {
		if given {
			f[name] = v
		}
	}
	set("text", m.Text, m.Text != "")
	set("category", m.Category, m.Category != "")
	set("metadata", m.Metadata, m.Metadata != nil)
	set("image", m.Image, m.Image != nil)
	set("audio", m.Audio, m.Audio != nil)
	set("text_embedding", m.TextEmbedding, m.TextEmbedding != nil)
	set("image_embedding", m.ImageEmbedding, m.ImageEmbedding != nil)
	set("audio_embedding", m.AudioEmbedding, m.AudioEmbedding != nil)
	set("joint_embedding", m.JointEmbedding, m.JointEmbedding != nil)
	set("importance", m.Importance, m.Importance != 0)
	return f
}

// jointOf is the joint embedding until a joint layer is trained: the text embedding, padded with zeros and L2-normalised. It is nil
// for a vector that is too long or has no direction.
func jointOf(text []float32) []float32 {
	if len(text) == 0 || len(text) > JointDim {
		return nil
	}
	var sum float64
	for _, x := range text {
		sum += float64(x) * float64(x)
	}
	if sum == 0 || math.IsInf(sum, 0) || math.IsNaN(sum) {
		return nil
	}
	joint := make([]float32, JointDim)
	scale := 1 / math.Sqrt(sum)
	for i, x := range text {
		joint[i] = float32(float64(x) * scale)
	}
	return joint
}

// embedInserted fills the embeddings of new memories. Without a model the rows that need one are marked as waiting.
func (d *DB) embedInserted(ctx context.Context, t *Table, rows []Row, writes []rowWrite) error {
	c := columnsOfMemories(t)
	var texts []string
	var need []int
	for i, r := range rows {
		if s, ok := r[c.text].(string); ok && s != "" && r[c.textEmbedding] == nil {
			texts, need = append(texts, s), append(need, i)
		}
	}
	vectors, err := d.encodeOrWait(ctx, texts)
	if err != nil {
		return err
	}
	for j, i := range need {
		if vectors == nil {
			writes[i].pending = true
			continue
		}
		rows[i][c.textEmbedding] = vectors[j]
	}
	for _, r := range rows {
		if v, ok := r[c.textEmbedding].([]float32); ok && r[c.joint] == nil {
			setVector(r, c.joint, jointOf(v))
		}
	}
	return nil
}

// embedUpdated keeps the embeddings of a memory in step with its text, unless the caller brings them.
func (d *DB) embedUpdated(ctx context.Context, t *Table, old, r Row, set map[int]any, w *rowWrite) error {
	c := columnsOfMemories(t)
	brought := func(column int) bool { _, ok := set[column]; return ok && r[column] != nil }
	_, textSet := set[c.text]
	_, embeddingSet := set[c.textEmbedding]
	if !brought(c.textEmbedding) && textSet && !row.Equal(TypeOf(Text), old[c.text], r[c.text]) {
		r[c.textEmbedding] = nil
		embeddingSet = true
		w.pending, w.settled = false, true
		if s, ok := r[c.text].(string); ok && s != "" {
			vectors, err := d.encodeOrWait(ctx, []string{s})
			if err != nil {
				return err
			}
			if vectors != nil {
				r[c.textEmbedding] = vectors[0]
			} else {
				w.pending, w.settled = true, false
			}
		}
	}
	if !embeddingSet {
		return nil
	}
	if r[c.textEmbedding] != nil {
		w.pending, w.settled = false, true
	}
	if !brought(c.joint) {
		v, _ := r[c.textEmbedding].([]float32)
		setVector(r, c.joint, jointOf(v))
	}
	return nil
}

// setVector stores a vector, NULL for none.
func setVector(r Row, column int, v []float32) {
	r[column] = nil
	if v != nil {
		r[column] = slices.Clip(v)
	}
}
