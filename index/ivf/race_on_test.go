//go:build race

package ivf_test

// raced says that the race detector runs, under which sync.Pool forgets on purpose.
const raced = true
