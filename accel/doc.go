// Package accel answers one question: how fast can two slices be compared?
package accel
