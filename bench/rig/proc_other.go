//go:build !linux

package rig

import (
	"errors"
	"os/exec"
	"time"
)

var errNoProc = errors.New("CPU and memory of a process are read from /proc: Linux only")

func dieWithParent(*exec.Cmd) {}

// CPU needs Linux.
func CPU(int) (time.Duration, error) { return 0, errNoProc }

// Memory needs Linux.
func Memory(int) (now, peak int64, err error) { return 0, 0, errNoProc }

// Children needs Linux.
func Children(int) []int { return nil }

// KillChildren needs Linux.
func KillChildren(int) {}

// Traced needs Linux.
func Traced(int) bool { return false }

// Free needs Linux.
func Free(string) int64 { return 0 }
