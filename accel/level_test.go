package accel

import (
	"errors"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// levels are those the kernels are tested at: all this machine has or, of these, what ENGRAM_TEST_LEVELS names ("avx512,vnni"). One it
// names and this machine lacks is a failure: nobody shall read that a level passed which never ran.
func levels(t *testing.T) []Level {
	t.Helper()
	wish := os.Getenv("ENGRAM_TEST_LEVELS")
	if wish == "" {
		return Levels()
	}
	var ls []Level
	for name := range strings.SplitSeq(wish, ",") {
		l, err := ParseLevel(name)
		if err != nil || !slices.Contains(Levels(), l) {
			t.Fatalf("ENGRAM_TEST_LEVELS=%s: this machine has %v only", wish, Levels())
		}
		ls = append(ls, l)
	}
	return ls
}

// atLevel runs f with l as the current level.
func atLevel(l Level, f func()) {
	old := current
	defer func() { current = old }()
	current = l
	f()
}

func TestChoose(t *testing.T) {
	f := func(detected Level, wish string, want Level, noted string) {
		t.Helper()
		got, note := choose(detected, wish)
		if got != want || !strings.Contains(note, noted) || (noted == "") != (note == "") {
			t.Errorf("choose(%v, %q) = %v, %q; want %v, %q", detected, wish, got, note, want, noted)
		}
	}
	f(LevelVNNI, "", LevelVNNI, "")
	f(LevelVNNI, "go", LevelGo, "")
	f(LevelVNNI, "AVX2", LevelAVX2, "")
	f(LevelVNNI, "avx512", LevelAVX512, "")
	f(LevelVNNI, "vnni", LevelVNNI, "")
	f(LevelAVX2, "avx512", LevelAVX2, "more than this machine has")
	f(LevelVNNI, "neon", LevelVNNI, "more than this machine has")
	f(LevelAVX512, "sse9", LevelAVX512, "is not a level")
}

func TestLevelNames(t *testing.T) {
	for _, l := range append(Levels(), LevelNEON) {
		if got, err := ParseLevel(strings.ToUpper(l.String())); err != nil || got != l {
			t.Errorf("ParseLevel(%v) = %v, %v", l, got, err)
		}
	}
	if s := Level(77).String(); s != "level(77)" {
		t.Errorf("unknown level prints %q", s)
	}
	if Current() > Detected() {
		t.Errorf("current level %v above the detected %v", Current(), Detected())
	}
	if wish := os.Getenv(EnvLevel); wish != "" && LevelNote() != "" {
		t.Errorf("the tests do not run at the level asked for: %s", LevelNote())
	}
	t.Logf("detected %v, current %v, note %q", Detected(), Current(), LevelNote())
}

// TestEnvironment runs this test binary again with the environment that lowers the level, both ours and
// the Go runtime's, and reads what it logs.
func TestEnvironment(t *testing.T) {
	if os.Getenv("ENGRAM_ACCEL_CHILD") != "" {
		t.Logf("level=%v", Current())
		return
	}
	f := func(env string, want Level) {
		t.Helper()
		cmd := exec.Command(os.Args[0], "-test.run=^TestEnvironment$", "-test.v")
		cmd.Env = append(os.Environ(), "ENGRAM_ACCEL_CHILD=1", "ENGRAM_ACCEL=", env)
		out, err := cmd.CombinedOutput()
		if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
			t.Skipf("this program cannot start itself, as under an emulator: %v", err)
		}
		if err != nil || !strings.Contains(string(out), "level="+want.String()+"\n") {
			t.Errorf("%s: want level %v: %v\n%s", env, want, err, out)
		}
	}
	for _, l := range Levels() {
		f("ENGRAM_ACCEL="+l.String(), l)
	}
	f("ENGRAM_ACCEL=fastest", Detected())
	if strings.Contains(os.Getenv("GODEBUG"), "cpu.") || runtime.GOARCH != "amd64" {
		return // what is detected here is no longer what the machine has, or the flags are not its own
	}
	f("GODEBUG=cpu.all=off", LevelGo)
	f("GODEBUG=cpu.avx2=off", LevelGo)
	f("GODEBUG=cpu.avx512f=off", min(Detected(), LevelAVX2))
}
