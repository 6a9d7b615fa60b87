package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The shape of the load: each consumer has endpoints on different receivers.
const (
	consumers    = 10
	perConsumer  = 2
	endpoints    = consumers * perConsumer
	receivers    = 4
	maxDelivered = 64 << 10
)

func endpointConsumer(endpoint int) int { return endpoint / perConsumer }

// fleet is the receivers. They check every signature and answer as a seeded
// mix of receivers would.
type fleet struct {
	ledger   *ledger
	servers  []*http.Server
	urls     []string
	life     atomic.Int64       // of the server; connections belong to the life they were opened in
	lifeOf   func(net.Conn) int // whose connection one is; nil: that of the one server there is
	healed   atomic.Bool        // from now on everything is answered 200 at once
	received atomic.Int64
	mu       sync.Mutex
	rnd      *rand.Rand
	secrets  [endpoints][]byte
}

type lifeKey struct{}

func newFleet(l *ledger, seed uint64) (*fleet, error) {
	f := &fleet{ledger: l, rnd: rand.New(rand.NewPCG(seed, 1))}
	for range receivers {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			f.close()
			return nil, err
		}
		mux := http.NewServeMux()
		mux.HandleFunc("POST /hook/{n}", f.hook)
		s := &http.Server{Handler: mux, ConnContext: func(ctx context.Context, conn net.Conn) context.Context {
			life := int(f.life.Load())
			if f.lifeOf != nil {
				life = f.lifeOf(conn)
			}
			return context.WithValue(ctx, lifeKey{}, life)
		}}
		go func() { _ = s.Serve(listener) }()
		f.servers = append(f.servers, s)
		f.urls = append(f.urls, "http://"+listener.Addr().String())
	}
	return f, nil
}

func (f *fleet) close() {
	for _, s := range f.servers {
		_ = s.Close()
	}
}

func (f *fleet) url(endpoint int) string {
	return fmt.Sprintf("%s/hook/%d", f.urls[endpoint%receivers], endpoint)
}

// secret makes an endpoint's secret, in the form of Standard Webhooks.
func (f *fleet) secret(endpoint int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "torture secret %d", endpoint))
	f.secrets[endpoint] = sum[:]
	return "whsec_" + base64.StdEncoding.EncodeToString(sum[:])
}

func (f *fleet) hook(w http.ResponseWriter, r *http.Request) {
	endpoint, err := strconv.Atoi(r.PathValue("n"))
	body, rerr := io.ReadAll(io.LimitReader(r.Body, maxDelivered))
	if err != nil || endpoint >= endpoints {
		f.ledger.violate("a request for %s", r.URL.Path)
		return
	}
	if rerr != nil {
		return // cut by the sender's end: not a whole delivery
	}
	f.received.Add(1)
	if err := verify(r.Header, body, f.secrets[endpoint]); err != nil {
		f.ledger.violate("endpoint %d: %v", endpoint, err)
	}
	n, sum, err := readBody(body)
	if err != nil {
		f.ledger.violate("endpoint %d: %v", endpoint, err)
		return
	}
	status, delay := f.choose()
	a := arrival{endpoint: endpoint, id: r.Header.Get("webhook-id"), at: time.Now(), answered: status}
	a.until = a.at.Add(delay)
	a.life, _ = r.Context().Value(lifeKey{}).(int)
	f.ledger.arrive(n, sum, a)
	if delay > 0 {
		time.Sleep(delay)
	}
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	w.WriteHeader(status)
}

// choose decides an answer: most are a quick 200, some slow, a few fail.
func (f *fleet) choose() (status int, delay time.Duration) {
	if f.healed.Load() {
		return http.StatusOK, 0
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch p := f.rnd.IntN(1000); {
	case p < 3:
		return http.StatusInternalServerError, 0
	case p < 6:
		return 0, 0
	case p < 100:
		return http.StatusOK, time.Duration(50+f.rnd.IntN(100)) * time.Millisecond
	case p < 250:
		return http.StatusOK, time.Duration(1+f.rnd.IntN(20)) * time.Millisecond
	}
	return http.StatusOK, 0
}

// verify checks a Standard Webhooks signature by hand.
func verify(h http.Header, body, secret []byte) error {
	id, stamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, secret)
	fmt.Fprintf(mac, "%s.%s.", id, stamp)
	mac.Write(body)
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for got := range strings.FieldsSeq(h.Get("webhook-signature")) {
		if hmac.Equal([]byte(got), []byte(want)) {
			return nil
		}
	}
	return fmt.Errorf("signature %q of %s is wrong", h.Get("webhook-signature"), id)
}

// readBody finds the event's number in a delivered body and hashes the data
// bytes as they stand in it.
func readBody(body []byte) (n int, sum [32]byte, err error) {
	var envelope struct {
		Data json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return 0, sum, fmt.Errorf("body is not JSON: %w", err)
	}
	var data struct {
		N *int `json:"n"`
	}
	if err := json.Unmarshal(envelope.Data, &data); err != nil || data.N == nil {
		return 0, sum, errors.New("body holds no event of ours")
	}
	return *data.N, sha256.Sum256(bytes.TrimSpace(envelope.Data)), nil
}
