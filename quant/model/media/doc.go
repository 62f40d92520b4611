// Package media answers one question: what do a picture's or a sound's bytes show?
//
// [DecodePicture] reads PNG, JPEG, GIF (its first frame), BMP and WebP; [Picture.Square] gives the pixels that a vision
// model wants. [DecodeSound] reads WAV and FLAC and mixes the channels to one; [Sound.Resample] brings it to the rate that
// a model wants.
//
// The bytes come from whoever inserts a row, so nothing in them is believed: sizes are compared with [Limits] before memory is
// taken, and damaged bytes give [ErrDecode], never a panic. Results depend on the bytes alone.
package media
