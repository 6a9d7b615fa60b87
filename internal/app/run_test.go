package app

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// running starts a whole server and stops it at the end; stop tells it to.
func running(t *testing.T, o Options) (a *App, stop func() error) {
	t.Helper()
	o.Listen = "127.0.0.1:0"
	a, err := New(t.Context(), o, quiet())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-ended
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return a, stop
}

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestRunAnswersAndStops(t *testing.T) {
	t.Parallel()
	a, stop := running(t, valid(t))
	c := &http.Client{}
	defer c.CloseIdleConnections()
	base := "http://" + a.Addr().String()
	if status, body := get(t, c, base+"/readyz"); status != http.StatusOK {
		t.Errorf("readyz: %d %s", status, body)
	}
	_, metrics := get(t, c, base+"/metrics")
	for _, name := range []string{
		"malote_build_info", "malote_queue_pending", "malote_queue_oldest_due_seconds", "malote_store_bytes",
		"malote_store_healthy 1", `malote_store_deliveries_ended_total{reason="expired"} 0`, "malote_store_commits_total",
		"malote_filters_judged_total 0", "malote_filters_false_total 0", `malote_filter_problems_total{problem="missing_field"} 0`, "malote_delivery_in_flight", "malote_shards_owned 256",
		`malote_shards_gained_total{before="free"} 256`, "malote_shards_left_total 0", "malote_lease_seconds 0", "malote_bus_told_total 0", "malote_bus_heard_total 0", "go_goroutines", "process_resident_memory_bytes",
	} {
		if !strings.Contains(metrics, name) {
			t.Errorf("/metrics lacks %s", name)
		}
	}
	c.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	if a.ready() == nil {
		t.Error("ready after a stop")
	}
	if _, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", a.Addr().String()); err == nil {
		t.Error("still listening")
	}
}

// TestAPartThatEndsEndsTheProcess holds that half a server is none.
func TestAPartThatEndsEndsTheProcess(t *testing.T) {
	t.Parallel()
	o := valid(t)
	o.Listen = "127.0.0.1:0"
	a, err := New(t.Context(), o, quiet())
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	a.start("part", func(context.Context) error { return broken })
	err = a.Run(t.Context())
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "part ended by itself") {
		t.Errorf("Run: %v", err)
	}
}

func TestNewLeavesNothingOpen(t *testing.T) {
	t.Parallel()
	o := valid(t)
	o.Listen = "127.0.0.1:0"
	o.TLSCert, o.TLSKey = "not", "there"
	var p *Problem
	if _, err := New(t.Context(), o, quiet()); !errors.As(err, &p) || !strings.Contains(p.What, "--tls-cert") {
		t.Fatalf("New: %v", err)
	}
	o.TLSCert, o.TLSKey = "", ""
	running(t, o) // would say that the directory is in use
}

func TestSecondServerIsRefused(t *testing.T) {
	t.Parallel()
	o := valid(t)
	a, _ := running(t, o)
	var p *Problem
	o.Listen = a.Addr().String() // the port is taken too; to choose another would not help
	if _, err := New(t.Context(), o, quiet()); !errors.As(err, &p) || p.Kind != KindInUse || !strings.Contains(p.What, o.Data) {
		t.Errorf("New on the same port: %v", err)
	}
	o.Listen = "127.0.0.1:0"
	if _, err := New(t.Context(), o, quiet()); !errors.As(err, &p) || p.Kind != KindInUse || !strings.Contains(p.What, o.Data) {
		t.Errorf("New: %v", err)
	}
	if _, err := CreateRootKey(t.Context(), o.place(), "x", quiet()); !errors.As(err, &p) || p.Kind != KindInUse {
		t.Errorf("CreateRootKey: %v", err)
	}
}

func TestWrongMasterKeyIsNamed(t *testing.T) {
	t.Parallel()
	o := valid(t)
	_, stop := running(t, o)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	o.MasterKeys = valid(t).MasterKeys
	o.Listen = "127.0.0.1:0"
	var p *Problem
	if _, err := New(t.Context(), o, quiet()); !errors.As(err, &p) || !strings.HasPrefix(p.What, "--master-key") {
		t.Errorf("New: %v", err)
	}
}

// TestCallersAreBounded speaks raw: a large header, and a body that never comes.
func TestCallersAreBounded(t *testing.T) {
	t.Parallel()
	o := valid(t)
	o.MaxConnections = 2
	a, _ := running(t, o)
	s := a.server
	if s.ReadHeaderTimeout != 10*time.Second || s.ReadTimeout == 0 || s.WriteTimeout == 0 || s.IdleTimeout == 0 || s.MaxHeaderBytes != 64<<10 {
		t.Errorf("limits are %v %v %v %v %d", s.ReadHeaderTimeout, s.ReadTimeout, s.WriteTimeout, s.IdleTimeout, s.MaxHeaderBytes)
	}
	conn := dial(t, a.Addr().String())
	fmt.Fprintf(conn, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Large: %s\r\n\r\n", strings.Repeat("x", 80<<10))
	if line := firstLine(t, conn); !strings.Contains(line, "431") {
		t.Errorf("80 KiB of headers: %s", line)
	}
	_ = conn.Close()

	first, second := dial(t, a.Addr().String()), dial(t, a.Addr().String())
	for _, c := range []net.Conn{first, second} {
		fmt.Fprint(c, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
		firstLine(t, c)
	}
	third := dial(t, a.Addr().String())
	fmt.Fprint(third, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
	_ = first.Close()
	if line := firstLine(t, third); !strings.Contains(line, "200") {
		t.Errorf("the third, after the first left: %s", line)
	}
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

func firstLine(t *testing.T, conn net.Conn) string {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestTLS(t *testing.T) {
	t.Parallel()
	o := valid(t)
	pool := x509.NewCertPool()
	o.TLSCert, o.TLSKey = certificate(t, pool)
	a, _ := running(t, o)
	c := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}
	defer c.CloseIdleConnections()
	if status, body := get(t, c, "https://"+a.Addr().String()+"/healthz"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
}

// certificate makes one for 127.0.0.1 that the pool trusts.
func certificate(t *testing.T, pool *x509.CertPool) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "malote test"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	pool.AppendCertsFromPEM(certPEM)
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, text := range map[string][]byte{certFile: certPEM, keyFile: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})} {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}
