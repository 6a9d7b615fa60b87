package postgres

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// tick is USER_HZ's, which Linux fixes at 100 for /proc.
const tick = time.Second / 100

// CPU is what the server's processes have used so far, those that ended, too.
func (c *Cluster) CPU() (total time.Duration, err error) {
	all, err := os.ReadDir("/proc")
	if err != nil {
		return 0, err
	}
	first := c.Pid()
	for _, d := range all {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue // it ended
		}
		fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:]) // from the third on
		number := func(i int) int { n, _ := strconv.Atoi(string(fields[i-3])); return n }
		switch {
		case pid == first:
			total += tick * time.Duration(number(14)+number(15)+number(16)+number(17))
		case number(4) == first:
			total += tick * time.Duration(number(14)+number(15))
		}
	}
	return total, nil
}
