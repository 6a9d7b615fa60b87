//go:build !linux

package rig

import "net"

// Peer needs Linux.
func Peer(net.Conn, []int) int { return 0 }

// Holder needs Linux.
func Holder(string, []int) int { return 0 }
