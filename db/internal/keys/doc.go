// Package keys answers one question: where in Pebble is it?
package keys
