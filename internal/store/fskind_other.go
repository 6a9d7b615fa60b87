//go:build !linux

package store

func unfitFileSystem(string) string { return "" }
