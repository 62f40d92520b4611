package db

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"engram/db/internal/keys"
	"engram/db/internal/row"
)

// retryEvery is how often a missing model is asked for again.
const retryEvery = 2 * time.Second

// encoderSource keeps the text encoder once there is one, and does not ask for it too often while there is none.
type encoderSource struct {
	open func(ctx context.Context) (Encoder, error)

	mu      sync.Mutex
	encoder Encoder
	failed  error     // what open last said
	at      time.Time // when
}

// get returns the encoder; force asks for it even if it was missing a moment ago.
func (s *encoderSource) get(ctx context.Context, force bool) (Encoder, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.encoder != nil {
		return s.encoder, nil
	}
	if s.open == nil {
		return nil, ErrNoModel
	}
	if s.failed != nil && !force && time.Since(s.at) < retryEvery {
		return nil, s.failed
	}
	e, err := s.open(ctx)
	switch {
	case err == nil && e == nil:
		err = fmt.Errorf("%w: the text encoder is nil", ErrNoModel)
	case err != nil && !errors.Is(err, ErrNoModel):
		return nil, fmt.Errorf("db: text encoder: %w", err)
	}
	s.encoder, s.failed, s.at = e, err, time.Now()
	return e, err
}

// lose forgets an encoder that says its model is gone.
func (s *encoderSource) lose(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.encoder, s.failed, s.at = nil, err, time.Now()
}

// encodeOrWait returns the vectors of texts, nil while there is no model.
func (d *DB) encodeOrWait(ctx context.Context, texts []string) ([][]float32, error) {
	if len(texts) == 0 {
		return [][]float32{}, nil
	}
	v, err := d.encode(ctx, texts, false)
	if errors.Is(err, ErrNoModel) {
		return nil, nil
	}
	return v, err
}

// encode runs the encoder and checks what it returns.
func (d *DB) encode(ctx context.Context, texts []string, force bool) ([][]float32, error) {
	e, err := d.encoders.get(ctx, force)
	if err != nil {
		return nil, err
	}
	vectors, err := e.Encode(ctx, texts)
	if err != nil {
		if errors.Is(err, ErrNoModel) {
			d.encoders.lose(err)
		}
		return nil, fmt.Errorf("db: encode with %s: %w", e.Name(), err)
	}
	if len(vectors) != len(texts) {
		return nil, fmt.Errorf("db: encoder %s gave %d vectors for %d texts", e.Name(), len(vectors), len(texts))
	}
	for i, v := range vectors {
		if len(v) != e.Dim() {
			return nil, fmt.Errorf("db: encoder %s gave a vector of %d elements, not %d", e.Name(), len(v), e.Dim())
		}
		x, err := row.Coerce(VectorOf(0), v)
		if err != nil {
			return nil, fmt.Errorf("db: encoder %s: %w", e.Name(), err)
		}
		vectors[i] = x.([]float32)
	}
	return vectors, nil
}

// PendingEmbeddings returns how many memories wait for a model.
func (d *DB) PendingEmbeddings() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return int(d.pending.GetCardinality())
}

// pendingBlock is how many memories EmbedPending encodes in one batch.
const pendingBlock = 256

// EmbedPending embeds the memories that wait for a model, a few hundred in a batch, and returns how many it did. While there is no
// model its error wraps ErrNoModel. The background does this by itself.
func (d *DB) EmbedPending(ctx context.Context) (int, error) {
	d.embedMu.Lock()
	defer d.embedMu.Unlock()
	total := 0
	for {
		n, more, err := d.embedBlock(ctx)
		total += n
		if errors.Is(err, ErrConflict) {
			continue // somebody changed one of the rows: it is read anew
		}
		if err != nil || !more {
			return total, err
		}
	}
}

var errEnough = errors.New("enough")

// embedBlock embeds one block of waiting memories and reports whether there may be more.
func (d *DB) embedBlock(ctx context.Context) (int, bool, error) {
	b := d.NewBatch(nil)
	defer b.Close()
	t, err := b.TableByID(MemoriesID)
	if err != nil {
		return 0, false, err
	}
	c := columnsOfMemories(t)
	ids, texts, err := b.waiting(ctx, t, c)
	if err != nil || len(ids) == 0 {
		return 0, false, err
	}
	var need []string
	for _, s := range texts {
		if s != "" {
			need = append(need, s)
		}
	}
	var vectors [][]float32
	if len(need) > 0 {
		if vectors, err = d.encode(ctx, need, true); err != nil {
			return 0, false, err
		}
	}
	for i, id := range ids {
		if texts[i] == "" { // gone, or embedded by its owner
			err = b.settle(t, id)
		} else {
			err = b.Update(ctx, t, id, map[int]any{c.textEmbedding: vectors[0]})
			vectors = vectors[1:]
		}
		if err != nil {
			return 0, false, err
		}
	}
	if err := b.Commit(ctx); err != nil {
		return 0, false, err
	}
	return len(need), len(ids) == pendingBlock, nil
}

// waiting returns the first memories that wait, with their texts; "" for those that need no embedding any more.
func (b *Batch) waiting(ctx context.Context, t *Table, c memoryColumns) (ids []RowID, texts []string, err error) {
	if err := b.snap.enter(); err != nil {
		return nil, nil, err
	}
	defer b.snap.exit()
	err = eachKey(ctx, b.snap.kv, keys.PendingOf(uint32(t.ID)), func(k, _ []byte) error {
		_, n, err := keys.ParsePair(k)
		if err != nil {
			return corrupt(err, "queue of embeddings")
		}
		if ids = append(ids, RowID(n)); len(ids) == pendingBlock {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return nil, nil, b.d.storageError(err)
	}
	for _, id := range ids {
		r, err := b.Get(ctx, t, id, []int{c.text, c.textEmbedding})
		if err != nil && !errors.Is(err, ErrRowNotFound) {
			return nil, nil, err
		}
		text := ""
		if err == nil && r[1] == nil {
			text, _ = r[0].(string)
		}
		texts = append(texts, text)
	}
	return ids, texts, nil
}

// settle takes a row off the queue that needs no embedding any more.
func (b *Batch) settle(t *Table, id RowID) error {
	r, err := b.Get(context.Background(), t, id, nil)
	if errors.Is(err, ErrRowNotFound) {
		return b.write(func() error {
			tb, err := b.ownTable(t)
			if err == nil {
				tb.rows[id] = rowWrite{settled: true}
			}
			return err
		})
	}
	if err != nil {
		return err
	}
	return b.write(func() error {
		tb, err := b.ownTable(t)
		if err != nil {
			return err
		}
		return b.putRow(tb, id, r, r, rowWrite{settled: true})
	})
}
