package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestBackupIsOfOneMomentAndOpens(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for range 100 {
		_, err := s.accept(`{}`)
		s.no(err)
	}
	stop := make(chan struct{})
	going := make(chan struct{})
	go func() { // events go on
		defer close(going)
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = s.accept(`{}`)
			}
		}
	}()
	dir := t.TempDir()
	err := s.db.Backup(t.Context(), filepath.Join(dir, dbFile))
	close(stop)
	<-going
	s.no(err)
	if st, err := os.Stat(filepath.Join(dir, dbFile)); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", st, err)
	}
	if err := s.db.Backup(t.Context(), filepath.Join(dir, dbFile)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("wrote over a backup: %v", err)
	}
	copied := &shelf{T: t, p: s.p, e: s.e, logs: s.logs, o: s.o}
	copied.o.Dir = dir
	copied.open()
	defer func() { s.no(copied.db.Close()) }()
	n := len(copied.due())
	if n < 100 || int64(n) != copied.db.Health(t.Context()).Pending {
		t.Errorf("%d in the queue, %d counted", n, copied.db.Health(t.Context()).Pending)
	}
	if l, err := copied.db.Lane(t.Context(), s.e.ID); err != nil || l.Endpoint.Secrets[0].Value != "whsec_CANARY" {
		t.Errorf("%v", err)
	}
	_, err = copied.accept(`{}`)
	s.no(err)
}

func TestRetentionGivesSpaceBack(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	big := make([]byte, 200_000)
	for i := range big {
		big[i] = 'x'
	}
	_, err := s.db.DeleteEndpoint(t.Context(), s.p.ID, s.e.ID)
	s.no(err)
	for range 100 {
		_, err := s.accept(string(big))
		s.no(err)
	}
	s.no(s.db.Close())
	s.open()
	before := s.db.Health(t.Context()).SizeBytes
	_, err = s.db.Prune(t.Context(), time.Now().Add(time.Hour), 1000)
	s.no(err)
	s.no(s.db.Close())
	s.open()
	after := s.db.Health(t.Context()).SizeBytes
	if before < 15<<20 || after > 10<<20 {
		t.Errorf("%d MiB before, %d after", before>>20, after>>20)
	}
	var ok string
	s.no(s.db.read(t.Context(), false, func(c *conn) error {
		_, err := c.row(t.Context(), "PRAGMA integrity_check", nil, &ok)
		return err
	}))
	if ok != "ok" {
		t.Error(ok)
	}
}
