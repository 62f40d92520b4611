package db

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// killEnv names the directory in which a copy of the test binary plays the process that gets killed.
const killEnv = "ENGRAM_TEST_KILL_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killEnv); dir != "" {
		fmt.Println("ended:", writeUntilKilled(dir))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// writeUntilKilled inserts memories from four goroutines and prints the id of each after its commit is acknowledged.
func writeUntilKilled(dir string) error {
	o := withEncoder(letters{})
	o.SealRows = 50
	d, err := Open(dir, o)
	if err != nil {
		return err
	}
	failed := make(chan error)
	var out sync.Mutex
	for w := range 4 {
		go func() {
			for n := 0; ; n++ {
				b := d.NewBatch(nil)
				id, err := b.InsertMemory(ctx, Memory{Text: fmt.Sprintf("memory %d of writer %d", n, w)})
				if err == nil {
					err = b.Commit(ctx)
				}
				if err != nil {
					failed <- err
					return
				}
				out.Lock()
				fmt.Println("acked", id)
				out.Unlock()
			}
		}()
	}
	return <-failed
}

// letters is wordEncoder without its counters, so that goroutines may share it.
type letters struct{}

func (letters) Dim() int     { return 8 }
func (letters) Name() string { return "letters" }
func (letters) Encode(ctx context.Context, texts []string) ([][]float32, error) {
	var e wordEncoder
	return e.Encode(ctx, texts)
}

// A killed process has lost nothing that it acknowledged, and no memory is there twice or without its embedding.
func TestKill(t *testing.T) {
	runs := 6
	if testing.Short() {
		runs = 1
	}
	dir := filepath.Join(t.TempDir(), "db")
	acked, r := map[int64]bool{}, rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 1))
	for run := range runs {
		killRun(t, dir, acked, time.Duration(20+r.IntN(250))*time.Millisecond)
		d, err := Open(dir, &Options{NoBackground: true})
		must(t, err)
		must(t, d.Verify(ctx))
		s := d.Snapshot()
		table := value(s.TableByID(MemoriesID))(t)
		rows := map[int64]RowID{}
		must(t, s.Scan(ctx, table, []int{memoryID, memoryTextEmbedding, memoryJointEmbedding}, func(id RowID, row Row) error {
			if _, twice := rows[row[0].(int64)]; twice || row[1] == nil || row[2] == nil {
				t.Errorf("memory %d: twice %t, embeddings %v", row[0], twice, row[1:])
			}
			rows[row[0].(int64)] = id
			return nil
		}))
		for id := range acked {
			if rows[id] == 0 {
				t.Errorf("run %d: acknowledged memory %d is lost", run, id)
			}
		}
		n := 0
		for id, rid := range rows {
			if n++; n > 20 {
				break
			}
			v := value(s.Get(ctx, table, rid, []int{memoryTextEmbedding}))(t)[0].([]float32)
			hits := value(s.Search(ctx, table, Query{Column: memoryTextEmbedding, Near: v, K: 1, Metric: L2}))(t)
			if len(hits) != 1 || hits[0].Dist != 0 {
				t.Errorf("memory %d is not found: %v", id, hits)
			}
		}
		s.Close()
		must(t, d.Close())
	}
	if len(acked) == 0 {
		t.Error("no commit was acknowledged in any run")
	}
	t.Logf("%d commits acknowledged over %d kills", len(acked), runs)
}

func killRun(t *testing.T, dir string, acked map[int64]bool, after time.Duration) {
	t.Helper()
	exe := value(os.Executable())(t)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), killEnv+"="+dir)
	out := value(cmd.StdoutPipe())(t)
	must(t, cmd.Start())
	lines := bufio.NewScanner(out)
	var timer *time.Timer
	for lines.Scan() {
		if timer == nil {
			timer = time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
		var id int64
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "ended"):
			t.Fatal(line)
		default:
			if n, _ := fmt.Sscanf(line, "acked %d", &id); n == 1 {
				acked[id] = true
			}
		}
	}
	cmd.Wait()
}
