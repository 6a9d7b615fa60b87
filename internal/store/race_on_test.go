//go:build race

package store_test

// machineRuns: SQLite in Go is ten times slower under the race detector.
const machineRuns = "6"
