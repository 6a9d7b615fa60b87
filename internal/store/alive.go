package store

import (
	"crypto/rand"
	"net"
	"os"
	"strings"
)

// sign shows processes on the same machine that this one lives: a name that the
// system knows for as long as the process is there, however it ends. So what it
// had waits for no lease.
type sign struct {
	text string // "": there is none
	held net.Listener
}

// newSign gives one, where the system can: on Linux.
func newSign() *sign {
	where := here()
	if where == "" {
		return &sign{}
	}
	name := rand.Text()
	held, err := net.Listen("unix", socketOf(name)) //nolint:noctx // nobody connects to it
	if err != nil {
		return &sign{}
	}
	return &sign{text: where + " " + name, held: held}
}

func (s *sign) end() {
	if s.held != nil {
		_ = s.held.Close()
	}
}

// socketOf is a name without a file.
func socketOf(name string) string { return "@malote-" + name }

// here names this run of this machine, and the network in it that names are
// known in: both are gone only with all their processes. Empty: not known.
func here() string {
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	network, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(boot)) + "/" + network
}

// ended reports whether the process that gave a sign is known to be gone.
func ended(text string) bool {
	where, name, ok := strings.Cut(text, " ")
	if !ok || where != here() {
		return false
	}
	held, err := net.Listen("unix", socketOf(name)) //nolint:noctx // nobody connects to it
	if err != nil {
		return false
	}
	_ = held.Close()
	return true
}
