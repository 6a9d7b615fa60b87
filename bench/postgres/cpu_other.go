//go:build unix && !linux

package postgres

import (
	"errors"
	"time"
)

// CPU is known on Linux alone.
func (c *Cluster) CPU() (time.Duration, error) {
	return 0, errors.New("what a server's processes use is read from /proc: on Linux alone")
}
