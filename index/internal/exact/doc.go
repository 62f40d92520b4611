// Package exact answers one question: which of these rows are nearest by their stored vectors?
package exact
