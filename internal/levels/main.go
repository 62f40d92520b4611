package main

import (
	"fmt"

	"engram/accel"
)

func main() {
	for i, l := range accel.Levels() {
		if i > 0 {
			fmt.Print(" ")
		}
		fmt.Print(l)
	}
	fmt.Println()
}
