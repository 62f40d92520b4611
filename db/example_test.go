package db_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/cockroachdb/pebble/v2/vfs"

	"engram/db"
)

// topics stands for a text model: it counts words of three topics.
type topics struct{}

func (topics) Dim() int     { return 3 }
func (topics) Name() string { return "topics" }
func (topics) Encode(_ context.Context, texts []string) ([][]float32, error) {
	vectors := make([][]float32, len(texts))
	for i, text := range texts {
		v := make([]float32, 3)
		for j, words := range []string{"duck goose pond", "piano song choir", "train rail station"} {
			for _, word := range strings.Fields(words) {
				v[j] += float32(strings.Count(text, word))
			}
		}
		vectors[i] = v
	}
	return vectors, nil
}

// An application keeps memories and recalls the nearest ones.
func Example() {
	ctx := context.Background()
	d, err := db.Open("notes", &db.Options{
		FS:          vfs.NewMem(), // leave it out to keep the notes on disk
		TextEncoder: func(context.Context) (db.Encoder, error) { return topics{}, nil },
	})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()

	b := d.NewBatch(nil)
	defer b.Close()
	_, err = b.InsertMemories(ctx,
		db.Memory{Text: "a duck and a goose on the pond", Category: "animals"},
		db.Memory{Text: "the choir sang to the piano"},
		db.Memory{Text: "a duck at the station", Metadata: map[string]any{"lost": true}})
	if err != nil {
		log.Fatal(err)
	}
	if err := b.Commit(ctx); err != nil {
		log.Fatal(err)
	}

	s := d.Snapshot()
	defer s.Close()
	memories, err := s.Table("public", "memories")
	if err != nil {
		log.Fatal(err)
	}
	near, _ := topics{}.Encode(ctx, []string{"duck pond"})
	hits, err := s.Search(ctx, memories, db.Query{Column: memories.Column("text_embedding"), Near: near[0], K: 2})
	if err != nil {
		log.Fatal(err)
	}
	for _, hit := range hits {
		row, err := s.Get(ctx, memories, hit.ID, []int{memories.Column("text")})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%.2f %s\n", hit.Dist, row[0])
	}
	// Output:
	// 0.00 a duck and a goose on the pond
	// 0.29 a duck at the station
}

// Tables of the user's own: a batch creates one and fills it, all or nothing.
func ExampleBatch() {
	ctx := context.Background()
	d, err := db.Open("shop", &db.Options{FS: vfs.NewMem()})
	if err != nil {
		log.Fatal(err)
	}
	defer d.Close()

	b := d.NewBatch(nil)
	defer b.Close()
	items, err := b.CreateTable(db.Table{
		Name: "items",
		Columns: []db.Column{
			{Name: "id", Type: db.TypeOf(db.Int8), Identity: db.IdentityByDefault},
			{Name: "name", Type: db.TypeOf(db.Text), NotNull: true},
			{Name: "price", Type: db.TypeOf(db.Numeric)},
			{Name: "shape", Type: db.VectorOf(3)},
		},
		PrimaryKey: []int{0},
		Uniques:    []db.Unique{{Name: "items_name_key", Columns: []int{1}, Constraint: true}},
	})
	if err != nil {
		log.Fatal(err)
	}
	ids, err := b.InsertFields(ctx, items,
		db.Fields{"name": "cup", "price": "4.50", "shape": []float32{1, 0, 0}},
		db.Fields{"name": "bowl", "price": 7, "shape": []float32{0.9, 0.4, 0}},
		db.Fields{"name": "fork", "shape": []float32{0, 0, 1}})
	if err != nil {
		log.Fatal(err)
	}
	_, err = b.InsertFields(ctx, items, db.Fields{"name": "cup"})
	fmt.Println(err)

	mark := b.Mark()
	if err := b.Delete(ctx, items, ids[1]); err != nil {
		log.Fatal(err)
	}
	if err := b.RollbackTo(mark); err != nil {
		log.Fatal(err)
	}
	if err := b.Commit(ctx); err != nil {
		log.Fatal(err)
	}

	s := d.Snapshot()
	defer s.Close()
	hits, err := s.Search(ctx, items, db.Query{
		Column: 3, Near: []float32{1, 0, 0}, K: 3, Metric: db.L2,
		Filter: roaring64.BitmapOf(uint64(ids[1]), uint64(ids[2])),
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, hit := range hits {
		row, _ := s.Get(ctx, items, hit.ID, nil)
		fmt.Printf("%v %v %.3f\n", row[0], row[1], db.L2.Reported(hit.Dist))
	}
	// Output:
	// duplicate key value violates unique constraint "items_name_key"
	// 2 bowl 0.412
	// 3 fork 1.414
}
