package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"engram/accel"
)

func main() {
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "emulate: this is the first process of a computer of its own; see scripts/emulate.sh")
		os.Exit(2)
	}
	status := 0
	if err := mounts(); err != nil {
		fmt.Println("emulate:", err)
		status = 1
	}
	jobs, err := os.ReadFile("/jobs")
	if err != nil || len(jobs) == 0 {
		fmt.Println("emulate: no jobs:", err)
		status = 1
	}
	for line := range strings.Lines(string(jobs)) {
		if err := run(strings.Fields(line)); err != nil {
			fmt.Println("FAIL", strings.TrimSpace(line)+":", err)
			status = 1
		}
	}
	fmt.Println("emulate: exit", status)
	time.Sleep(100 * time.Millisecond) // the console is slower than the switch
	if err := powerOff(); err != nil {
		fmt.Println("emulate:", err)
	}
}

// run runs one job, words of a line of /jobs.
func run(words []string) error {
	fmt.Println("==", strings.Join(words, " "))
	env := []string{"HOME=/tmp", "TMPDIR=/tmp"}
	for len(words) > 0 && strings.Contains(words[0], "=") {
		if level, ok := strings.CutPrefix(words[0], accel.EnvLevel+"="); ok && !has(level) {
			return fmt.Errorf("this processor has %v only", accel.Levels())
		}
		env, words = append(env, words[0]), words[1:]
	}
	if len(words) == 0 {
		return fmt.Errorf("no program")
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Env = filepath.Dir(words[0]), env
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	return cmd.Run()
}

// has says whether programs here can run at a level: they would go on at a lower one, and what they say would be of that.
func has(level string) bool {
	l, err := accel.ParseLevel(level)
	return err == nil && slices.Contains(accel.Levels(), l)
}
