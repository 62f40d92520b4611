// Command engram serves, queries and inspects an Engram database.
package main

func main() {}
