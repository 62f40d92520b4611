package db

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func withEncoder(e Encoder) *Options {
	return &Options{TextEncoder: func(context.Context) (Encoder, error) { return e, nil }}
}

func commitMemories(t testing.TB, d *DB, m ...Memory) []int64 {
	t.Helper()
	b := d.NewBatch(nil)
	ids := value(b.InsertMemories(ctx, m...))(t)
	must(t, b.Commit(ctx))
	return ids
}

// memory reads a memory by id into column names.
func memory(t testing.TB, d *DB, id int64) (RowID, map[string]any) {
	t.Helper()
	s := d.Snapshot()
	defer s.Close()
	table := value(s.TableByID(MemoriesID))(t)
	rid, ok, err := s.Lookup(ctx, table, 0, []any{id})
	if err != nil || !ok {
		t.Fatalf("memory %d: %t %v", id, ok, err)
	}
	r := value(s.Get(ctx, table, rid, nil))(t)
	m := map[string]any{}
	for i, c := range table.Columns {
		m[c.Name] = r[i]
	}
	return rid, m
}

func TestMemoryDefaults(t *testing.T) {
	d := openMem(t, withEncoder(&wordEncoder{}))
	before := time.Now().UnixMicro()
	ids := commitMemories(t, d, Memory{Text: "a duck", Category: "bird", Metadata: map[string]any{"n": 1, "a": true}})
	_, m := memory(t, d, ids[0])
	if at := m["created_at"].(int64); at < before || at > time.Now().UnixMicro() {
		t.Errorf("created_at %d", at)
	}
	delete(m, "created_at")
	text := m["text_embedding"].([]float32)
	joint := m["joint_embedding"].([]float32)
	delete(m, "text_embedding")
	delete(m, "joint_embedding")
	want := map[string]any{"id": ids[0], "category": "bird", "text": "a duck", "image": nil, "audio": nil,
		"metadata": `{"a": true, "n": 1}`, "image_embedding": nil, "audio_embedding": nil, "importance": float32(0.5),
		"access_count": int64(0), "accessed_at": nil, "tier": "hot", "expires_at": nil}
	if a, b := fmt.Sprint(m), fmt.Sprint(want); a != b {
		t.Errorf("got  %s\nwant %s", a, b)
	}
	var norm, dot, textNorm float64
	for i, x := range joint {
		norm += float64(x) * float64(x)
		if i < len(text) {
			dot += float64(x) * float64(text[i])
			textNorm += float64(text[i]) * float64(text[i])
		} else if x != 0 {
			t.Fatalf("joint[%d] = %g", i, x)
		}
	}
	if len(joint) != JointDim || math.Abs(norm-1) > 1e-6 || math.Abs(dot-math.Sqrt(textNorm)) > 1e-5 {
		t.Errorf("joint embedding: dim %d, norm %g, dot %g, text %g", len(joint), norm, dot, math.Sqrt(textNorm))
	}
	if err := d.Verify(ctx); err != nil {
		t.Error(err)
	}
}

func TestMemoriesAreEncodedTogether(t *testing.T) {
	e := &wordEncoder{}
	d := openMem(t, withEncoder(e))
	mine := []float32{1, 2, 3}
	commitMemories(t, d, Memory{Text: "one"}, Memory{Text: "two"}, Memory{Image: []byte{1}}, Memory{Text: "own", TextEmbedding: mine})
	if e.calls != 1 || e.texts != 2 {
		t.Errorf("%d calls for %d texts, want 1 for 2", e.calls, e.texts)
	}
	_, m := memory(t, d, 4)
	if fmt.Sprint(m["text_embedding"]) != "[1 2 3]" || fmt.Sprint(m["joint_embedding"].([]float32)[:4]) != fmt.Sprint(jointOf(mine)[:4]) {
		t.Errorf("a brought embedding became %v, joint %v", m["text_embedding"], m["joint_embedding"])
	}
	if _, m := memory(t, d, 3); m["text_embedding"] != nil || m["joint_embedding"] != nil {
		t.Error("a memory without text has an embedding of one")
	}
}

func TestMemoryUpdate(t *testing.T) {
	e := &wordEncoder{}
	d := openMem(t, withEncoder(e))
	id := commitMemories(t, d, Memory{Text: "one"})[0]
	rid, first := memory(t, d, id)
	update := func(set map[string]any) map[string]any {
		t.Helper()
		b := d.NewBatch(nil)
		table := value(b.TableByID(MemoriesID))(t)
		at := map[int]any{}
		for k, v := range set {
			at[table.Column(k)] = v
		}
		must(t, b.Update(ctx, table, rid, at))
		must(t, b.Commit(ctx))
		must(t, d.Verify(ctx))
		_, m := memory(t, d, id)
		return m
	}
	same := func(a, b map[string]any, column string) bool { return fmt.Sprint(a[column]) == fmt.Sprint(b[column]) }
	m := update(map[string]any{"category": "x", "text": "one"})
	if e.calls != 1 || !same(m, first, "text_embedding") {
		t.Error("an unchanged text was embedded again")
	}
	m = update(map[string]any{"text": "two"})
	if e.calls != 2 || same(m, first, "text_embedding") || same(m, first, "joint_embedding") {
		t.Error("a changed text kept its embedding")
	}
	m = update(map[string]any{"text": "three", "text_embedding": []float32{3, 4}})
	if e.calls != 2 || fmt.Sprint(m["text_embedding"]) != "[3 4]" || m["joint_embedding"].([]float32)[0] != 0.6 {
		t.Error("a brought embedding was not taken")
	}
	m = update(map[string]any{"text_embedding": []float32{4, 3}, "joint_embedding": jointOf([]float32{0, 1})})
	if m["joint_embedding"].([]float32)[1] != 1 {
		t.Error("a brought joint embedding was not taken")
	}
	m = update(map[string]any{"text": nil})
	if m["text_embedding"] != nil || m["joint_embedding"] != nil {
		t.Error("the embedding outlives the text")
	}
}

func TestJointOf(t *testing.T) {
	for _, v := range [][]float32{nil, {0, 0}, make([]float32, JointDim+1), {float32(math.NaN())}, {float32(math.Inf(1))}} {
		if jointOf(v) != nil {
			t.Errorf("joint of %d elements has a direction", len(v))
		}
	}
	if j := jointOf([]float32{math.MaxFloat32, math.MaxFloat32}); math.Abs(float64(j[0])-math.Sqrt(0.5)) > 1e-6 {
		t.Errorf("joint of large numbers: %g", j[0])
	}
}

// switchable is a source of encoders that has none until told.
type switchable struct {
	on   atomic.Bool
	asks atomic.Int64
}

func (s *switchable) open(context.Context) (Encoder, error) {
	s.asks.Add(1)
	if !s.on.Load() {
		return nil, fmt.Errorf("models/text is empty: %w", ErrNoModel)
	}
	return &wordEncoder{}, nil
}

func TestPending(t *testing.T) {
	fs, source := vfs.NewMem(), &switchable{}
	o := &Options{FS: fs, TextEncoder: source.open}
	d := openMem(t, o)
	var all []Memory
	for i := range 2*pendingBlock + 10 {
		all = append(all, Memory{Text: fmt.Sprint("memory ", i)})
	}
	ids := commitMemories(t, d, all...)
	if n := source.asks.Load(); n != 1 {
		t.Errorf("the model was asked for %d times", n)
	}
	if _, err := d.EmbedPending(ctx); !errors.Is(err, ErrNoModel) {
		t.Fatalf("EmbedPending without a model: %v", err)
	}
	if _, m := memory(t, d, ids[0]); m["text_embedding"] != nil || m["text"] != "memory 0" {
		t.Fatalf("memory without a model: %v", m)
	}
	b := d.NewBatch(nil)
	table := value(b.TableByID(MemoriesID))(t)
	rid, _ := memory(t, d, ids[0])
	must(t, b.Delete(ctx, table, rid))
	rid1, _ := memory(t, d, ids[1])
	must(t, b.Update(ctx, table, rid1, map[int]any{memoryTextEmbedding: []float32{1, 2, 3}}))
	must(t, b.Commit(ctx))
	want := len(all) - 2
	if n := d.PendingEmbeddings(); n != want {
		t.Fatalf("%d wait, want %d", n, want)
	}
	must(t, d.Seal(ctx, MemoriesID))
	must(t, d.Close())
	source.on.Store(true)
	d = openMem(t, o)
	if n := d.PendingEmbeddings(); n != want {
		t.Fatalf("%d wait after reopening, want %d", n, want)
	}
	n, err := d.EmbedPending(ctx)
	if err != nil || n != want || d.PendingEmbeddings() != 0 {
		t.Fatalf("embedded %d, %v; %d left", n, err, d.PendingEmbeddings())
	}
	must(t, d.Verify(ctx))
	e := &wordEncoder{}
	for i, id := range ids[2:] {
		v, _ := e.Encode(ctx, []string{fmt.Sprint("memory ", i+2)})
		if _, m := memory(t, d, id); fmt.Sprint(m["text_embedding"]) != fmt.Sprint(v[0]) || m["joint_embedding"] == nil {
			t.Fatalf("memory %d has another text's embedding", id)
		}
	}
	if _, m := memory(t, d, ids[1]); fmt.Sprint(m["text_embedding"]) != "[1 2 3]" {
		t.Error("a brought embedding was overwritten")
	}
	if n, err := d.EmbedPending(ctx); n != 0 || err != nil {
		t.Errorf("a second time: %d, %v", n, err)
	}
}

// An update without a model queues the row again; deleting the queued row leaves nothing behind.
func TestPendingUpdate(t *testing.T) {
	source := &switchable{}
	source.on.Store(true)
	d := openMem(t, &Options{TextEncoder: source.open})
	id := commitMemories(t, d, Memory{Text: "one"})[0]
	d.encoders.lose(ErrNoModel)
	source.on.Store(false)
	rid, _ := memory(t, d, id)
	b := d.NewBatch(nil)
	table := value(b.TableByID(MemoriesID))(t)
	must(t, b.Update(ctx, table, rid, map[int]any{memoryText: "two"}))
	must(t, b.Update(ctx, table, rid, map[int]any{memoryCategory: "c"}))
	must(t, b.Commit(ctx))
	if _, m := memory(t, d, id); m["text_embedding"] != nil || d.PendingEmbeddings() != 1 {
		t.Fatalf("stale embedding %v, %d wait", m["text_embedding"], d.PendingEmbeddings())
	}
	b = d.NewBatch(nil)
	must(t, b.Truncate(MemoriesID))
	must(t, b.Commit(ctx))
	if d.PendingEmbeddings() != 0 {
		t.Error("rows wait that were truncated")
	}
	source.on.Store(true)
	if n, err := d.EmbedPending(ctx); n != 0 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// settle is for queue entries whose row needs nothing: here they are planted, as a bug or an older version might leave them.
func TestPendingStrays(t *testing.T) {
	d := openMem(t, withEncoder(&wordEncoder{}))
	id := commitMemories(t, d, Memory{Text: "one"})[0]
	rid, before := memory(t, d, id)
	for _, r := range []RowID{rid, 777} {
		must(t, d.kv.Set(memoriesTable.pendingKey(r), nil, nil))
		d.pending.Add(uint64(r))
	}
	n, err := d.EmbedPending(ctx)
	if n != 0 || err != nil || d.PendingEmbeddings() != 0 {
		t.Fatalf("%d, %v, %d left", n, err, d.PendingEmbeddings())
	}
	if _, after := memory(t, d, id); fmt.Sprint(after) != fmt.Sprint(before) {
		t.Error("a settled row changed")
	}
	must(t, d.Verify(ctx))
}

type badEncoder struct {
	vectors [][]float32
	err     error
}

func (e badEncoder) Dim() int                                              { return 2 }
func (e badEncoder) Name() string                                          { return "bad" }
func (e badEncoder) Encode(context.Context, []string) ([][]float32, error) { return e.vectors, e.err }

func TestBadEncoder(t *testing.T) {
	for want, e := range map[string]Encoder{
		"gave 2 vectors":         badEncoder{vectors: [][]float32{{1, 2}, {3, 4}}},
		"vector of 3 elements":   badEncoder{vectors: [][]float32{{1, 2, 3}}},
		"NaN":                    badEncoder{vectors: [][]float32{{1, float32(math.NaN())}}},
		"out of memory":          badEncoder{err: errors.New("out of memory")},
		"the encoder cannot run": nil,
	} {
		o := withEncoder(e)
		if e == nil {
			o.TextEncoder = func(context.Context) (Encoder, error) { return nil, errors.New("the encoder cannot run") }
		}
		d := openMem(t, o)
		b := d.NewBatch(nil)
		_, err := b.InsertMemory(ctx, Memory{Text: "x"})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
		if !b.Empty() && len(b.tables[MemoriesID].rows) != 0 {
			t.Error("a failed insert left rows")
		}
		b.Close()
	}
	// An encoder that loses its model queues the text.
	d := openMem(t, withEncoder(badEncoder{err: fmt.Errorf("unloaded: %w", ErrNoModel)}))
	commitMemories(t, d, Memory{Text: "x"})
	if d.PendingEmbeddings() != 1 {
		t.Error("the text does not wait")
	}
}

func TestMemoriesStay(t *testing.T) {
	d := openMem(t, nil)
	b := d.NewBatch(nil)
	defer b.Close()
	if err := b.DropTable(MemoriesID); !errors.Is(err, ErrSystemTable) {
		t.Errorf("drop: %v", err)
	}
	old := value(b.Table("public", "memories"))(t)
	for name, f := range map[string]func(*Table){
		"rename":        func(t *Table) { t.Name = "m" },
		"drop column":   func(t *Table) { t.Columns = t.Columns[:5] },
		"rename column": func(t *Table) { t.Columns[3].Name = "body" },
	} {
		next := old.Clone()
		f(&next)
		if _, err := b.AlterTable(ctx, next); !errors.Is(err, ErrSystemTable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	next := old.Clone()
	next.Columns = append(next.Columns, Column{Name: "mine", Type: TypeOf(Int4), Missing: 7})
	if _, err := b.AlterTable(ctx, next); err != nil {
		t.Errorf("adding a column: %v", err)
	}
}

// The background embeds what waits once there is a model, without being asked.
func TestBackgroundEmbeds(t *testing.T) {
	source := &switchable{}
	d, err := Open("bg", &Options{FS: vfs.NewMem(), TextEncoder: source.open})
	must(t, err)
	defer d.Close()
	commitMemories(t, d, Memory{Text: "one"})
	source.on.Store(true)
	for range 1000 {
		if d.PendingEmbeddings() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("the background did not embed within ten seconds")
}
