//go:build unix

package postgres

import (
	"errors"
	"syscall"
	"testing"
)

func TestCluster(t *testing.T) {
	t.Parallel()
	c, err := Start(t.Context(), Options{TCP: true})
	if errors.Is(err, ErrMissing) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := c.Create(t.Context(), "one", ""); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(t.Context(), "one", "CREATE TABLE x (n int)", "INSERT INTO x VALUES (1)"); err != nil {
		t.Fatal(err)
	}
	if err := c.Create(t.Context(), "two", "one"); err != nil {
		t.Fatal(err)
	}
	if err := c.Stop(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := c.Launch(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Exec(t.Context(), "two", "UPDATE x SET n=2 WHERE n=1"); err != nil {
		t.Fatal(err)
	}
}
