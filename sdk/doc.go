// Package sdk holds the libraries of Malote for Node.js, Python and PHP, each
// in a folder of its own, and the tests that run them: their own unit tests,
// the same vectors in every language, and real deliveries of the real binary.
package sdk

//go:generate go run ./generate
