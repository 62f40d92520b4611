package accel

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Level is a tier of CPU instructions. On amd64 the levels from LevelGo to LevelVNNI are a ladder: a
// machine that has one has all below it.
type Level uint8

const (
	LevelGo     Level = 0 // plain Go, the reference
	LevelAVX2   Level = 1 // AVX2 and FMA
	LevelAVX512 Level = 2 // AVX-512 F, BW, DQ and VL
	LevelVNNI   Level = 3 // AVX-512 VNNI and VPOPCNTDQ
	LevelNEON   Level = 8 // arm64, the one level there above LevelGo
)

// EnvLevel is the environment variable that lowers the level: go, avx2, avx512, vnni or neon.
const EnvLevel = "ENGRAM_ACCEL"

// current is the level in use and note what the choice has to say. Both are set before main starts and
// only tests change current.
var current, note = choose(Detected(), os.Getenv(EnvLevel))

// String is the name ParseLevel reads.
func (l Level) String() string {
	switch l {
	case LevelGo:
		return "go"
	case LevelAVX2:
		return "avx2"
	case LevelAVX512:
		return "avx512"
	case LevelVNNI:
		return "vnni"
	case LevelNEON:
		return "neon"
	}
	return fmt.Sprintf("level(%d)", uint8(l))
}

// ParseLevel reads the name of a level, in any case.
func ParseLevel(s string) (Level, error) {
	for _, l := range []Level{LevelGo, LevelAVX2, LevelAVX512, LevelVNNI, LevelNEON} {
		if strings.EqualFold(s, l.String()) {
			return l, nil
		}
	}
	return LevelGo, fmt.Errorf("accel: unknown level %q (go, avx2, avx512, vnni, neon)", s)
}

// Detected is the highest level the machine and its operating system allow.
func Detected() Level { return detected }

// Current is the level in use: Detected unless ENGRAM_ACCEL lowers it.
func Current() Level { return current }

// LevelNote says why the level in use is not the one ENGRAM_ACCEL asks for. It is empty when there is
// nothing to say, and meant for the log.
func LevelNote() string { return note }

// Levels lists the levels this machine can run, lowest first.
func Levels() []Level {
	return upTo(Detected())
}

func upTo(detected Level) []Level {
	if detected == LevelNEON {
		return []Level{LevelGo, LevelNEON}
	}
	var ls []Level
	for l := LevelGo; l <= detected; l++ {
		ls = append(ls, l)
	}
	return ls
}

// choose applies the wish of the environment to what was detected.
func choose(detected Level, wish string) (Level, string) {
	if wish == "" {
		return detected, ""
	}
	l, err := ParseLevel(wish)
	if err != nil {
		return detected, fmt.Sprintf("%s=%q is not a level (go, avx2, avx512, vnni, neon): using %s", EnvLevel, wish, detected)
	}
	if !slices.Contains(upTo(detected), l) {
		return detected, fmt.Sprintf("%s=%s is more than this machine has: using %s", EnvLevel, l, detected)
	}
	return l, ""
}
