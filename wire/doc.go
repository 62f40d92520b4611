// Package wire answers one question: who is asking?
//
// It speaks the PostgreSQL protocol, version 3.0 and 3.2, over TCP and Unix sockets: startup, TLS, SCRAM-SHA-256,
// the simple and the extended protocol, COPY, cancel requests and notifications. What a statement means is the
// engine's affair; this package frames, bounds and encodes.
//
// A Server has one goroutine for each connection, which reads a message, lets the session work and writes the answer;
// a second one sends notifications while the connection is idle. Rows go straight from the session into the write
// buffer and are never collected. Everything that a client sends is bounded before memory is taken for it, most
// tightly before the client has proved who it is.
package wire
