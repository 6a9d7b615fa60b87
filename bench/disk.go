package main

import (
	"os"
	"path/filepath"
	"time"
)

// syncProbes is how often the disk is asked.
const syncProbes = 40

// syncTime measures what a commit waits for: a write of 16 KiB and an fsync
// on the disk that holds the data, median and 99th percentile in milliseconds.
// On a disk that others keep busy it is most of what is measured here.
func (s *stage) syncTime() (p50, p99 float64, err error) {
	f, err := os.Create(filepath.Join(s.dir, "sync-probe"))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	page := make([]byte, 16<<10)
	var took []float64
	for i := range int64(syncProbes) {
		start := time.Now()
		if _, err := f.WriteAt(page, i*int64(len(page))); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
		took = append(took, ms(int64(time.Since(start))))
	}
	p50, p99 = percentiles(took)
	return p50, p99, nil
}
