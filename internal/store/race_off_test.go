//go:build !race

package store_test

const machineRuns = "12"
