//go:build unix

package egress

import "syscall"

// peekAlive looks at an idle socket without waiting: it is fit for a request
// if it is open and nothing unasked has come.
func peekAlive(fd uintptr) bool {
	var b [1]byte
	for {
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK)
		if err == syscall.EINTR {
			continue
		}
		return err == syscall.EAGAIN || err == syscall.EWOULDBLOCK
	}
}
