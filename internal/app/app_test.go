package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func valid(t *testing.T) Options {
	t.Helper()
	return Options{Data: t.TempDir(), MasterKeys: []secret.Text{secret.Text(NewMasterKey())}}
}

func TestValidateNamesTheOption(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const canary = "not-a-key-canary"
	cases := map[string]struct {
		change func(*Options)
		names  string
	}{
		"no data":            {func(o *Options) { o.Data = "" }, "--data"},
		"data is a file":     {func(o *Options) { o.Data = file }, "--data"},
		"two places":         {func(o *Options) { o.Database = "postgres://u:" + canary + "@h/x" }, "--database and --data"},
		"other database":     {func(o *Options) { o.Data, o.Database = "", "mysql://u:"+canary+"@h/x" }, "--database"},
		"database's URL":     {func(o *Options) { o.Data, o.Database = "", "postgres://u:"+canary+"@h:x/x" }, "--database"},
		"no port":            {func(o *Options) { o.Listen = "localhost" }, "--listen"},
		"port is a word":     {func(o *Options) { o.Listen = "127.0.0.1:http" }, "--listen"},
		"port too high":      {func(o *Options) { o.Listen = "127.0.0.1:65536" }, "--listen"},
		"dialects missing":   {func(o *Options) { o.Dialects = file + "-not" }, "--dialects"},
		"public URL":         {func(o *Options) { o.PublicURL = "webhooks.example.com" }, "--public-url"},
		"public URL's path":  {func(o *Options) { o.PublicURL = "https://example.com/?a=b" }, "--public-url"},
		"public URL's user":  {func(o *Options) { o.PublicURL = "https://u:" + canary + "@example.com" }, "--public-url"},
		"SMTP":               {func(o *Options) { o.SMTP, o.MailFrom = "http://u:"+canary+"@relay.example", "a@b.example" }, "--smtp-url"},
		"nobody mails":       {func(o *Options) { o.SMTP = "smtp://u:" + canary + "@relay.example" }, "--mail-from"},
		"mail from nobody":   {func(o *Options) { o.SMTP, o.MailFrom = "smtp://u:"+canary+"@relay.example", "nobody" }, "--mail-from"},
		"mail without SMTP":  {func(o *Options) { o.MailFrom = "a@b.example" }, "--mail-from"},
		"mail language":      {func(o *Options) { o.MailLanguage = "fr" }, "--mail-language"},
		"no master key":      {func(o *Options) { o.MasterKeys = nil }, "master key"},
		"bad master key":     {func(o *Options) { o.MasterKeys = []secret.Text{canary} }, "--master-key"},
		"certificate alone":  {func(o *Options) { o.TLSCert = file }, "--tls-cert"},
		"key alone":          {func(o *Options) { o.TLSKey = file }, "--tls-key"},
		"retention too low":  {func(o *Options) { o.Retention = time.Minute }, "--retention"},
		"hold too short":     {func(o *Options) { o.Hold = time.Second }, "--hold"},
		"grace too long":     {func(o *Options) { o.Grace = 2 * time.Hour }, "--grace"},
		"data too large":     {func(o *Options) { o.MaxData = 1 << 30 }, "--max-data"},
		"audit-retention":    {func(o *Options) { o.AuditRetention = time.Hour }, "--audit-retention"},
		"idempotency":        {func(o *Options) { o.Idempotency = time.Second }, "--idempotency"},
		"min free":           {func(o *Options) { o.MinFree = 1 }, "--min-free"},
		"connections":        {func(o *Options) { o.MaxConnections = -1 }, "--max-connections"},
		"per endpoint":       {func(o *Options) { o.PerEndpoint = -1 }, "--per-endpoint"},
		"per host":           {func(o *Options) { o.PerHost = -1 }, "--per-host"},
		"in flight":          {func(o *Options) { o.InFlight = -1 }, "--in-flight"},
		"memory":             {func(o *Options) { o.Memory = 1 }, "--memory"},
		"not a range's head": {func(o *Options) { o.EgressAllow = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")} }, "--egress-allow"},
	}
	if err := valid(t).Validate(); err != nil {
		t.Fatalf("valid options are refused: %v", err)
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := valid(t)
			c.change(&o)
			var p *Problem
			if err := o.Validate(); !errors.As(err, &p) {
				t.Fatalf("accepted, or not a Problem: %v", err)
			}
			if !strings.Contains(p.What, c.names) || p.Fix == "" {
				t.Errorf("%+v does not name %s and a fix", p, c.names)
			}
			if strings.Contains(p.Error(), canary) {
				t.Errorf("the key is shown: %v", p)
			}
		})
	}
}

func TestMasterKeysComeInOrder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "keys")
	second, third := NewMasterKey(), NewMasterKey()
	if err := os.WriteFile(file, []byte("# the old one\n\n  "+second+"  \n"+third+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := MasterKeys([]string{"first"}, []string{file})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, k := range keys {
		got = append(got, k.Reveal())
	}
	if strings.Join(got, " ") != "first "+second+" "+third {
		t.Errorf("keys are %q", got)
	}
	for _, bad := range []string{file + "-not", emptyFile(t)} {
		var p *Problem
		if _, err := MasterKeys(nil, []string{bad}); !errors.As(err, &p) || !strings.Contains(p.What, "--master-key-file") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func emptyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(path, []byte("# nothing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestTeardownIsLastInFirstOut(t *testing.T) {
	t.Parallel()
	down := teardown{log: quiet()}
	var order []string
	broken := errors.New("broken")
	for _, name := range []string{"store", "engine", "api"} {
		down.add(name, func(context.Context) error {
			order = append(order, name)
			if name == "engine" {
				return broken
			}
			return nil
		})
	}
	err := down.run(t.Context())
	if strings.Join(order, " ") != "api engine store" {
		t.Errorf("order is %v", order)
	}
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "stop engine") {
		t.Errorf("error is %v", err)
	}
	if err := down.run(t.Context()); err != nil || len(order) != 3 {
		t.Errorf("a second run does something: %v, %v", order, err)
	}
}

func TestListenSaysThatThePortIsTaken(t *testing.T) {
	t.Parallel()
	l, err := listen(t.Context(), "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var p *Problem
	_, err = listen(t.Context(), l.Addr().String())
	if !errors.As(err, &p) || p.Kind != KindInUse || !strings.Contains(p.What, "--listen") {
		t.Errorf("taken port: %v", err)
	}
	_, err = listen(t.Context(), "192.0.2.1:1")
	if !errors.As(err, &p) || !strings.Contains(p.What, "--listen") {
		t.Errorf("foreign address: %v", err)
	}
}

// TestOwnPortIsForbidden holds the guard's list to what really listens.
func TestOwnPortIsForbidden(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:0", ":0", "[::1]:0"} {
		l, err := listen(t.Context(), addr)
		if err != nil {
			t.Logf("%s: %v", addr, err) // a machine without IPv6
			continue
		}
		o := Options{}
		own := o.policy(l).Own
		port, ok := l.Addr().(*net.TCPAddr)
		if !ok || len(own) != 1 || own[0].Port() != port.AddrPort().Port() || !own[0].Addr().IsValid() {
			t.Fatalf("%s: own is %v", addr, own)
		}
		if addr == ":0" && !own[0].Addr().IsUnspecified() {
			t.Errorf("%s: own is %v, want the port on any address", addr, own)
		}
		_ = l.Close()
	}
}

// fakeHistory stands for the rows of a store: it has some to delete and counts how it is asked.
type fakeHistory struct {
	rows   int
	fails  int
	calls  []time.Time
	before []time.Time
}

func (f *fakeHistory) Prune(_ context.Context, before time.Time, limit int) (int, error) {
	f.calls = append(f.calls, time.Now())
	f.before = append(f.before, before)
	if f.fails > 0 {
		f.fails--
		return 0, errors.New("disk full")
	}
	n := min(limit, f.rows)
	f.rows -= n
	return n, nil
}

func TestMaintenanceWorksInSlices(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := &fakeHistory{rows: 2*choreRows + 1, fails: 1}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		start := time.Now()
		go func() {
			defer close(ended)
			maintain(ctx, []chore{{"test", 24 * time.Hour, h.Prune}}, quiet())
		}()
		<-time.After(2*choreEvery + 10*chorePause)
		synctest.Wait()
		if h.rows != 0 || len(h.calls) != 4 {
			t.Fatalf("%d rows left after %d calls", h.rows, len(h.calls))
		}
		if d := h.calls[0].Sub(start); d != choreEvery {
			t.Errorf("first call after %v", d)
		}
		if d := h.calls[2].Sub(h.calls[1]); d != chorePause {
			t.Errorf("%v between slices", d)
		}
		if age := h.calls[1].Sub(h.before[1]); age != 24*time.Hour {
			t.Errorf("deletes what is %v old", age)
		}
		cancel()
		<-ended
	})
}

func TestLoggerRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"xml", "info"}, {"json", "loud"}} {
		var p *Problem
		if _, err := NewLogger(nil, c[0], c[1]); !errors.As(err, &p) || !strings.HasPrefix(p.What, "--log-") {
			t.Errorf("%v: %v", c, err)
		}
	}
}
