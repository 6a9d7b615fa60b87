// Package secret owns values that must never be seen: the type that redacts
// itself, and the keyring that encrypts them at rest.
package secret
