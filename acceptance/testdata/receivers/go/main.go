// Command receiver is a net/http receiver as the contracts' consumers write
// it: raw bytes first, then HMAC, 401 on a mismatch, 200 at once. For
// Standard Webhooks it uses the package webhook.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/malote-dev/malote/webhook"
)

type verifier func(h http.Header, raw []byte, secret string) bool

func hexIn(header, prefix string) verifier {
	return func(h http.Header, raw []byte, secret string) bool {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(raw)
		want := hex.EncodeToString(mac.Sum(nil))
		return hmac.Equal([]byte(strings.TrimPrefix(h.Get(header), prefix)), []byte(want))
	}
}

func standard(h http.Header, raw []byte, secret string) bool {
	v := webhook.Standard().Verify(h, raw, []string{secret}, time.Now())
	return v.OK
}

func main() {
	verifiers := map[string]verifier{
		"gabinete360": hexIn("x-argos-signature", ""),
		"connectvets": hexIn("X-ConnectVets-Signature", "sha256="),
		"habilitar":   hexIn("x-signature", ""),
		"placaflow":   hexIn("X-Signature-256", ""),
		"tarefa":      hexIn("X-Webhook-Signature", "sha256="),
		"standard":    standard,
	}
	var mu sync.Mutex
	report := json.NewEncoder(os.Stdout)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{contract}/{rest...}", func(w http.ResponseWriter, r *http.Request) {
		raw, err := io.ReadAll(io.LimitReader(r.Body, 2<<20))
		secret, serr := secretOf(r.URL.Path)
		verify := verifiers[r.PathValue("contract")]
		if err != nil || serr != nil || verify == nil {
			http.Error(w, fmt.Sprint(err, serr), http.StatusBadRequest)
			return
		}
		ok := verify(r.Header, raw, secret)
		var headers [][2]string
		for name, values := range r.Header {
			for _, v := range values {
				headers = append(headers, [2]string{name, v})
			}
		}
		mu.Lock()
		_ = report.Encode(map[string]any{
			"path": r.URL.Path, "headers": headers, "body": base64.StdEncoding.EncodeToString(raw),
			"verified": ok, "json": json.Valid(raw),
		})
		mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprintln(w, `{"error":"Invalid signature"}`)
			return
		}
		fmt.Fprintf(w, `{"received":true,"processedAt":%q}`, time.Now().UTC().Format(time.RFC3339))
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = report.Encode(map[string]string{"listening": l.Addr().String()})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	_ = (&http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}).Serve(l)
}

func secretOf(path string) (string, error) {
	b, err := os.ReadFile(os.Getenv("SECRETS"))
	if err != nil {
		return "", err
	}
	var all map[string]string
	if err := json.Unmarshal(b, &all); err != nil {
		return "", err
	}
	return all[path], nil
}
