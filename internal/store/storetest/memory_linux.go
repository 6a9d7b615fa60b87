package storetest

import (
	"sync"
	"syscall"
)

const (
	memoryDir = "/dev/shm"
	enough    = 2 << 30 // bytes free: the databases of tests that run at once, several times over
)

// inMemory is a directory that lies in memory; empty: there is none, or
// little room in it.
var inMemory = sync.OnceValue(func() string {
	var fs syscall.Statfs_t
	if syscall.Statfs(memoryDir, &fs) != nil || fs.Bavail*uint64(fs.Bsize) < enough || syscall.Access(memoryDir, 2) != nil {
		return ""
	}
	return memoryDir
})
