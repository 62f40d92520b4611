package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// kills is how often TestKillLosesNothing kills the server: ENGRAM_KILLS, else 3.
func kills(t *testing.T) int {
	text := os.Getenv("ENGRAM_KILLS")
	if text == "" {
		return 3
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// Four writers insert while the server seals often; it is killed at a random moment and started again. Every row that
// was acknowledged must be there once, with its embedding, and be found by search.
func TestKillLosesNothing(t *testing.T) {
	modelsDir := models(t)
	dir := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	acknowledged := map[string]bool{}
	for run := range kills(t) {
		s := serve(t, dir, "--models", modelsDir, "--seal-rows", "100")
		var mu sync.Mutex
		var writers sync.WaitGroup
		for w := range 4 {
			c := s.connect(t)
			writers.Add(1)
			go func() {
				defer writers.Done()
				for n := 0; ; n++ {
					text := fmt.Sprintf("run %d writer %d note %d", run, w, n)
					if err := insertMemory(c, text, n); err != nil {
						return // the server was killed
					}
					mu.Lock()
					acknowledged[text] = true
					mu.Unlock()
				}
			}()
		}
		time.Sleep(300*time.Millisecond + time.Duration(random.IntN(1500))*time.Millisecond)
		if err := s.cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		s.cmd.Wait()
		writers.Wait()
		checkMemories(t, dir, modelsDir, acknowledged, random)
	}
	t.Logf("%d kills, %d acknowledged rows, all there", kills(t), len(acknowledged))
}

// insertMemory inserts alone, or as two statements of one transaction.
func insertMemory(c *pgx.Conn, text string, n int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if n%3 != 0 {
		_, err := c.Exec(ctx, "insert into memories (text, category) values ($1, 'kill')", text)
		return err
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "insert into memories (text) values ($1)", text); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "update memories set category = 'kill' where text = $1", text); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

func checkMemories(t *testing.T, dir, modelsDir string, acknowledged map[string]bool, random *rand.Rand) {
	t.Helper()
	s := serve(t, dir, "--models", modelsDir)
	c := s.connect(t)
	ctx := context.Background()
	rows, err := c.Query(ctx, "select text, category, joint_embedding is not null from memories")
	if err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	for rows.Next() {
		var text string
		var category *string
		var embedded bool
		if err := rows.Scan(&text, &category, &embedded); err != nil {
			t.Fatal(err)
		}
		if there[text] {
			t.Errorf("%q is there twice", text)
		}
		if category == nil || *category != "kill" || !embedded {
			t.Errorf("%q is half there: category %v, embedded %v", text, category, embedded)
		}
		there[text] = true
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	sample := ""
	for text := range acknowledged {
		if !there[text] {
			t.Errorf("acknowledged %q is lost", text)
		}
		if sample == "" || random.IntN(50) == 0 {
			sample = text
		}
	}
	if sample != "" {
		var found string
		err := c.QueryRow(ctx, "select m.text from cosine_top_k(embed($1), 1) k join memories m using (id)", sample).Scan(&found)
		if err != nil || found != sample {
			t.Errorf("search for %q found %q, %v", sample, found, err)
		}
	}
	s.terminate(t)
}
