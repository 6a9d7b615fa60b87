package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const sampleTrace = `7 openat(AT_FDCWD</w>, "/d/x.db-wal", O_RDWR|O_CREAT|O_CLOEXEC, 0644) = 4</d/x.db-wal>
7 pwrite64(4</d/x.db-wal>, "\x41\x00\x42", 3, 0) = 3
7 fdatasync(4</d/x.db-wal> <unfinished ...>
8 pwrite64(4</d/x.db-wal>, "late", 4, 3 <unfinished ...>
8 <... pwrite64 resumed>) = 4
7 <... fdatasync resumed>)          = 0
9 write(5<socket:[1]>, "HTTP/1.1 202 Accepted\r\n\r\n{\"id\":\"evt_1\"}", 40) = 40
8 fdatasync(4</d/x.db-wal>)         = -1 EIO (Input/output error) (INJECTED)
7 --- SIGURG {si_signo=SIGURG} ---
7 ftruncate(4</d/x.db-wal>, 5)      = 0
7 +++ killed by SIGKILL +++
`

func replay(t *testing.T, lies int, upTo int, base map[string]string) map[string]string {
	t.Helper()
	calls, err := readTrace(strings.NewReader(sampleTrace))
	if err != nil {
		t.Fatal(err)
	}
	from, to := t.TempDir(), t.TempDir()
	for name, text := range base {
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := newDisk("/d", from, lies)
	if err != nil {
		t.Fatal(err)
	}
	synced := map[*call]int{}
	for _, s := range steps(calls) {
		if s.at > upTo {
			break
		}
		d.do(s, synced)
	}
	if err := d.image(to, nil); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	entries, err := os.ReadDir(to)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		b, err := os.ReadFile(filepath.Join(to, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

func TestReadTrace(t *testing.T) {
	t.Parallel()
	calls, err := readTrace(strings.NewReader(sampleTrace))
	if err != nil {
		t.Fatal(err)
	}
	if len(calls) != 7 {
		t.Fatalf("%d calls, want 7", len(calls))
	}
	late := calls[3]
	if late.name != "pwrite64" || string(late.data) != "late" || late.offset != 3 || late.enter != 4 || late.leave != 5 || late.ret != 4 {
		t.Errorf("resumed write: %+v", late)
	}
	if c := calls[0]; !c.create || c.path != "/d/x.db-wal" || c.ret != 4 {
		t.Errorf("openat: %+v", c)
	}
	if got := string(calls[1].data); got != "A\x00B" {
		t.Errorf("hex data %q", got)
	}
	if got := string(calls[4].data); !strings.HasPrefix(got, "HTTP/1.1 202 Accepted\r\n") || !strings.HasSuffix(got, `"evt_1"}`) {
		t.Errorf("escaped data %q", got)
	}
	if calls[5].ret != -1 || calls[6].offset != 5 {
		t.Errorf("failed sync %+v, truncation %+v", calls[5], calls[6])
	}
	if _, err := readTrace(strings.NewReader(`7 pwrite64(4</d/x>, "abc"..., 900, 0) = 900`)); err == nil {
		t.Error("data cut by the tracer was taken")
	}
}

func TestDiskKeepsWhatASyncCovers(t *testing.T) {
	t.Parallel()
	base := map[string]string{"x.db-wal": "", "x.db": "main", "x.db-shm": "shared"}
	for _, c := range []struct {
		name       string
		lies, upTo int
		want       string
	}{
		{"before the sync returned", 0, 5, ""},
		{"a write after the sync was entered is not covered", 0, 7, "A\x00B"},
		{"a failed sync keeps nothing", 0, 11, "A\x00B"},
		{"a disk that lies once", 1, 7, ""},
	} {
		got := replay(t, c.lies, c.upTo, base)
		if got["x.db-wal"] != c.want {
			t.Errorf("%s: %q, want %q", c.name, got["x.db-wal"], c.want)
		}
		if got["x.db"] != "main" {
			t.Errorf("%s: the untouched file holds %q", c.name, got["x.db"])
		}
		if _, ok := got["x.db-shm"]; ok {
			t.Errorf("%s: the shared memory was kept", c.name)
		}
	}
}

func TestDiskForgetsANameWithoutASyncOfItsDirectory(t *testing.T) {
	t.Parallel()
	if got := replay(t, 0, 11, nil); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
}
