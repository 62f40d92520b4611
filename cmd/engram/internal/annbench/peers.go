package annbench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"

	"engram/accel"
)

// PeerResult is how another library did on the same rows and queries.
type PeerResult struct {
	Name           string  `json:"name"`
	Params         string  `json:"params"`
	BuildSeconds   float64 `json:"build_s"`
	BytesPerVector int     `json:"bytes_per_vector,omitempty"`
	Points         []Point `json:"points"`
}

// PeerNames lists the libraries that Peer can measure once `make peers` has built them.
var PeerNames = []string{"hnswlib", "usearch"}

// Peer builds and sweeps a library beside Engram: its index with M=32, ef_construction=200 and all threads, its searches on one.
func Peer(ctx context.Context, d *Dataset, dir, name string, efs []int, threads, rounds int) (*PeerResult, error) {
	folder := filepath.Join(dir, "peers")
	var command []string
	switch name {
	case "hnswlib":
		command = []string{filepath.Join(folder, "hnswlib")}
	case "usearch":
		command = []string{"node", filepath.Join(folder, "usearch.mjs")}
	default:
		return nil, fmt.Errorf("no peer %q: there are %v", name, PeerNames)
	}
	if !exists(command[len(command)-1]) {
		return nil, fmt.Errorf("%s is not there: `make peers` builds it", command[len(command)-1])
	}
	metric := "l2"
	if d.Metric != accel.L2 {
		metric = "ip"
	}
	command = append(command, abs(d.BaseFile), abs(d.QueryFile), abs(d.TruthFile), strconv.Itoa(d.N), strconv.Itoa(d.NQ), strconv.Itoa(d.Dim),
		metric, strconv.Itoa(K), "32", "200", strconv.Itoa(threads), strconv.Itoa(rounds))
	for _, ef := range efs {
		command = append(command, strconv.Itoa(ef))
	}
	c := exec.CommandContext(ctx, abs(command[0]), command[1:]...)
	if command[0] == "node" {
		c = exec.CommandContext(ctx, "node", command[1:]...)
		c.Dir = folder
		c.Args[1] = "usearch.mjs"
	}
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", name, err, bytes.TrimSpace(errs.Bytes()))
	}
	r := new(PeerResult)
	if err := json.Unmarshal(out.Bytes(), r); err != nil {
		return nil, fmt.Errorf("%s printed %q: %w", name, out.String(), err)
	}
	return r, nil
}

func abs(path string) string {
	if p, err := filepath.Abs(path); err == nil {
		return p
	}
	return path
}
