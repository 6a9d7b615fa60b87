// Package app owns options, wiring and lifecycle: the only package that knows everybody.
package app
