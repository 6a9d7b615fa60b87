package main

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// disk plays a trace back as a disk that keeps only what it was made to keep:
// a write lasts once a later fsync of its file has returned, a name once a
// later fsync of its directory has. What SQLite maps into memory (-shm) is
// left out: it is rebuilt after a crash.
type disk struct {
	dir   string
	files map[string]*file // by path; what the running system sees
	kept  map[string]*file // names that last
	// lies is how many syncs of a file, the newest, this disk pretends to
	// have done: 0 is an honest one.
	lies int
}

// file is one inode.
type file struct {
	durable []byte
	pending []*call   // writes and truncations after the last sync
	syncs   [][]*call // of a lying disk: batches it has not written yet
}

// newDisk starts from what lies in a directory, all of it durable.
func newDisk(dir, base string, lies int) (*disk, error) {
	d := &disk{dir: dir, files: map[string]*file{}, lies: lies}
	entries, err := os.ReadDir(base)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || strings.HasSuffix(e.Name(), "-shm") {
			continue
		}
		b, err := os.ReadFile(filepath.Join(base, e.Name()))
		if err != nil {
			return nil, err
		}
		d.files[filepath.Join(dir, e.Name())] = &file{durable: b}
	}
	d.kept = maps.Clone(d.files)
	return d, nil
}

// step is an entry or a return in the order of the trace.
type step struct {
	at    int
	leave bool
	call  *call
}

// steps orders entries and returns.
func steps(calls []*call) []step {
	var out []step
	for _, c := range calls {
		out = append(out, step{c.enter, false, c})
		if c.leave > 0 {
			out = append(out, step{c.leave, true, c})
		}
	}
	slices.SortStableFunc(out, func(a, b step) int {
		if a.at != b.at {
			return a.at - b.at
		}
		switch { // a call on one line enters before it leaves
		case a.leave == b.leave:
			return 0
		case b.leave:
			return -1
		}
		return 1
	})
	return out
}

func (d *disk) ours(path string) bool {
	return strings.HasPrefix(path, d.dir+string(filepath.Separator)) && !strings.HasSuffix(path, "-shm")
}

// do lets a step take effect. synced remembers what lay in a file when a sync
// of it was entered: only that is promised when it returns.
func (d *disk) do(s step, synced map[*call]int) {
	c := s.call
	switch c.name {
	case "pwrite64", "ftruncate":
		if s.leave && c.ret >= 0 && d.ours(c.path) {
			f := d.open(c.path)
			f.pending = append(f.pending, c)
		}
	case "write":
		if d.ours(c.path) && s.leave && c.ret >= 0 {
			f := d.open(c.path)
			c.offset = f.size()
			f.pending = append(f.pending, c)
		}
	case "open", "openat", "creat":
		if s.leave && c.ret >= 0 && c.create && d.ours(c.path) {
			d.open(c.path)
		}
	case "unlink", "unlinkat":
		if s.leave && c.ret == 0 {
			delete(d.files, c.path)
		}
	case "rename", "renameat", "renameat2":
		if f := d.files[c.path]; s.leave && c.ret == 0 && f != nil {
			delete(d.files, c.path)
			d.files[c.to] = f
		}
	case "fdatasync", "fsync":
		if c.path == d.dir {
			if s.leave && c.ret == 0 {
				d.kept = maps.Clone(d.files)
			}
			return
		}
		f := d.files[c.path]
		if f == nil {
			return
		}
		if !s.leave {
			synced[c] = len(f.pending)
		} else if c.ret == 0 {
			d.sync(f, min(synced[c], len(f.pending)))
		}
	}
}

func (d *disk) open(path string) *file {
	f := d.files[path]
	if f == nil {
		f = &file{}
		d.files[path] = f
	}
	return f
}

func (d *disk) sync(f *file, n int) {
	f.syncs = append(f.syncs, f.pending[:n])
	f.pending = slices.Clone(f.pending[n:])
	for len(f.syncs) > d.lies {
		for _, c := range f.syncs[0] {
			f.durable = apply(f.durable, c, len(c.data))
		}
		f.syncs = f.syncs[1:]
	}
}

// size is what the running system sees.
func (f *file) size() int64 {
	n := int64(len(f.durable))
	for _, c := range slices.Concat(slices.Concat(f.syncs...), f.pending) {
		if c.name == "ftruncate" {
			n = c.offset
		} else {
			n = max(n, c.offset+int64(len(c.data)))
		}
	}
	return n
}

// apply does the first n bytes of a write, or a truncation.
func apply(b []byte, c *call, n int) []byte {
	end := c.offset + int64(n)
	if c.name == "ftruncate" {
		end = c.offset
	}
	if c.name == "ftruncate" && end < int64(len(b)) {
		return b[:end]
	}
	if end > int64(len(b)) {
		b = append(b, make([]byte, end-int64(len(b)))...)
	}
	if c.name != "ftruncate" {
		copy(b[c.offset:end], c.data[:n])
	}
	return b
}

// sector is what a disk writes whole.
const sector = 512

// image writes what a power failure now would leave. With rnd, of what no
// sync covers some writes are there, and one may be torn; without, none is.
func (d *disk) image(to string, rnd *rand.Rand) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for path, f := range d.kept {
		b := f.durable
		if rnd != nil {
			b = f.torn(rnd)
		}
		if err := os.WriteFile(filepath.Join(to, filepath.Base(path)), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// torn is one of the states that a disk which orders nothing may be in.
func (f *file) torn(rnd *rand.Rand) []byte {
	b := slices.Clone(f.durable)
	for _, c := range slices.Concat(slices.Concat(f.syncs...), f.pending) {
		switch rnd.IntN(4) {
		case 0: // lost
		case 1:
			if len(c.data) > sector {
				b = apply(b, c, sector*rnd.IntN(len(c.data)/sector))
				break
			}
			fallthrough
		default:
			b = apply(b, c, len(c.data))
		}
	}
	return b
}
