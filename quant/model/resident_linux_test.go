package model_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"

	"engram/quant"
	"engram/quant/model"
)

// residentEnv makes TestMain of a child process measure the model in that directory.
const residentEnv = "ENGRAM_TEST_RESIDENT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(residentEnv); dir != "" {
		if err := measureResident(dir); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// measureResident prints how many bytes of the process's memory hold the weights: what the system says is resident after
// texts have been encoded, less what is after the weights are unloaded.
func measureResident(dir string) error {
	e, err := model.Open(dir, &model.Options{Threads: 1})
	if err != nil {
		return err
	}
	defer e.Close()
	texts := strings.Fields(strings.Repeat("some words to be encoded one by one ", 40))
	for range 2 {
		if _, err := e.Encode(context.Background(), texts); err != nil {
			return err
		}
	}
	with, err := residentBytes()
	if err != nil {
		return err
	}
	counted := e.Params().Resident()
	e.Params().Unload()
	without, err := residentBytes()
	if err != nil {
		return err
	}
	fmt.Printf("weights %d counted %d\n", with-without, counted)
	return nil
}

var rssLine = regexp.MustCompile(`(?m)^Rss:\s+(\d+) kB$`)

// residentBytes is the memory of the process that is resident, pages of mapped files included.
func residentBytes() (int64, error) {
	for range 3 { // what a sync.Pool holds, working memory here, outlives one collection
		debug.FreeOSMemory()
	}
	b, err := os.ReadFile("/proc/self/smaps_rollup")
	if err != nil {
		return 0, err
	}
	m := rssLine.FindSubmatch(b)
	if m == nil {
		return 0, fmt.Errorf("no Rss in %s", b)
	}
	kb, err := strconv.ParseInt(string(m[1]), 10, 64)
	return kb << 10, err
}

// resident runs a process that measures the model in dir.
func resident(tb testing.TB, dir string) (weights, counted int64) {
	tb.Helper()
	c := exec.Command(os.Args[0], "-test.run", "^$")
	c.Env = append(os.Environ(), residentEnv+"="+dir)
	b, err := c.CombinedOutput()
	if err == nil {
		_, err = fmt.Sscanf(string(b), "weights %d counted %d", &weights, &counted)
	}
	if err != nil {
		tb.Fatalf("%v: %s", err, b)
	}
	return weights, counted
}

// TestInstalledResident measures the memory that weights take, by what the system says of the process, for float32 and
// for codes.
func TestInstalledResident(t *testing.T) {
	if _, err := residentBytes(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	dir := installedDir(t)
	full, counted := resident(t, dir)
	t.Logf("float32: %d bytes resident, %d counted", full, counted)
	for _, c := range []struct {
		s    quant.Scheme
		most float64 // of float32
	}{{kinds[0], 0.26}, {kinds[2], 0.20}} {
		got, mine := resident(t, quantized(t, dir, &c.s))
		t.Logf("%s: %d bytes resident, %d counted, %.1f %% of float32", kindName(&c.s), got, mine, 100*float64(mine)/float64(counted))
		if share := float64(mine) / float64(counted); share > c.most {
			t.Errorf("%s takes %.1f %% of the memory of float32", kindName(&c.s), 100*share)
		}
		// The system counts the process's other pages too, which come and go.
		if got > mine+mine/10 {
			t.Errorf("%s: %d bytes are resident where %d are counted", kindName(&c.s), got, mine)
		}
	}
}
