// Command main writes one assembly file of package accel and the Go declarations that belong to it.
// It is run by go generate in package accel; the header of each file it writes is the exact command.
package main

import (
	"flag"
	"log"

	"engram/accel/gen/emit"
	"github.com/mmcloughlin/avo/build"
)

func main() {
	op := flag.String("op", "", "operation: a name of the switch below")
	flag.Parse()
	build.ConstraintExpr("amd64,!purego")
	switch *op {
	case "dot", "l2sq", "l1", "dotnorm":
		emit.Float(*op)
	case "int8":
		emit.Int8()
	case "bits":
		emit.Bits()
	case "gemm":
		emit.Gemm()
	case "hadamard":
		emit.Hadamard()
	case "codes":
		emit.Codes()
	case "half":
		emit.Half()
	case "scan":
		emit.Scan()
	case "nibbles":
		emit.Nibbles()
	case "gemm8":
		emit.Gemm8()
	case "quantize":
		emit.Quantize()
	default:
		log.Fatalf("unknown operation %q", *op)
	}
	build.Generate()
}
