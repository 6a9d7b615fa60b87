package egress

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/malote-dev/malote/webhook"
)

func TestSendDelivers(t *testing.T) {
	t.Parallel()
	var got []byte
	var head http.Header
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.ReadAll(r.Body)
		head = r.Header.Clone()
		w.WriteHeader(http.StatusAccepted)
		_, _ = w.Write([]byte("ok"))
	}))
	defer srv.Close()
	c := New(Options{Policy: Policy{AllowLoopback: true}})
	defer c.Close()
	u, err := url.Parse(srv.URL + "/in?x=1")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{0, 10, 1 << 10, 100 << 10, 1 << 20} {
		body := bytes.Repeat([]byte("x"), size)
		resp, err := c.Send(context.Background(), &Request{
			URL:    u,
			Fields: []webhook.Field{{Name: "Content-Type", Value: "application/json"}, {Name: "Authorization", Value: "hidden"}},
			Redact: 1, Body: body, Connect: time.Second, Total: 5 * time.Second, MaxOK: 1, MaxBody: 10,
		})
		if err != nil || resp.Status != 202 || string(resp.Body) != "o" || !resp.Truncated {
			t.Fatalf("%d bytes: %+v, %v", size, resp, err)
		}
		if !bytes.Equal(got, body) || head.Get("Authorization") != "hidden" {
			t.Fatalf("%d bytes: %d came", size, len(got))
		}
		if resp.Timings.Reused != (size > 0) {
			t.Errorf("%d bytes: reused %v", size, resp.Timings.Reused)
		}
		t.Logf("%s%s%+v", resp.RequestHead, resp.Head, resp.Timings)
	}
}
