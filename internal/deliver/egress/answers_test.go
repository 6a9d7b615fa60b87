package egress

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// TestAnswers is what is made of an answer, byte by byte: lengths, chunks,
// status lines and headers that are right, wrong, too long or cut off.
func TestAnswers(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 100<<10)
	cases := []struct {
		name   string
		raw    string
		status int
		body   string
		cut    bool // Truncated
		keep   bool // the connection carries a second request
		class  store.Class
		detail string
		closes bool // the server closes after the answer
	}{
		{name: "plain", raw: ok200, status: 200, body: "ok", keep: true},
		{name: "no reason", raw: "HTTP/1.1 204\r\n\r\n", status: 204, keep: true},
		{name: "empty reason", raw: "HTTP/1.1 201 \r\nContent-Length: 0\r\n\r\n", status: 201, keep: true},
		{name: "bare line feeds", raw: "HTTP/1.1 200 OK\nContent-Length: 2\n\nok", status: 200, body: "ok", keep: true},
		{name: "1.0", raw: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "1.0 keep-alive", raw: "HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", keep: true},
		{name: "until close", raw: "HTTP/1.1 500 X\r\n\r\nboom", status: 500, body: "boom", closes: true},
		{name: "connection close", raw: "HTTP/1.1 200 OK\r\nConnection: foo, Close\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok"},
		{name: "chunked", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;a=b\r\no\r\n1\r\nk\r\n0\r\nX-T: 1\r\n\r\n", status: 200, body: "ok", keep: true},
		{name: "chunked, upper-case hex", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\nA\r\n0123456789\r\n0\r\n\r\n", status: 200, body: "0123456789", keep: true},
		{name: "chunked and length", raw: "HTTP/1.1 200 OK\r\nContent-Length: 99\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", status: 200, body: "ok"},
		{name: "chunk size malformed", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nok\r\n", status: 200, cut: true},
		{name: "chunk size negative", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\nok\r\n", status: 200, cut: true},
		{name: "chunk size overflows", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nok\r\n", status: 200, cut: true},
		{name: "chunk without line end", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokok\r\n0\r\n\r\n", status: 200, body: "ok", cut: true},
		{name: "gzip is not inflated", raw: "HTTP/1.1 400 X\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", status: 400, body: "\x1f\x8b\x08\x00", keep: true},
		{name: "204 with body", raw: "HTTP/1.1 204 X\r\nContent-Length: 2\r\n\r\nok", status: 204},
		{name: "304", raw: "HTTP/1.1 304 X\r\nContent-Length: 200\r\n\r\n", status: 304, keep: true},
		{name: "body short", raw: "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nok", status: 200, body: "ok", cut: true, closes: true},
		{name: "chunked short", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\nok", status: 200, body: "ok", cut: true, closes: true},
		{name: "headers short", raw: "HTTP/1.1 200 OK\r\nX-A: b\r\nX-", status: 200, cut: true, closes: true},
		{name: "body longer than told", raw: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nok", status: 200, body: "o"},
		{name: "two lengths", raw: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 1\r\n\r\nok", status: 200, body: "ok", closes: true},
		{name: "the same length twice", raw: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", keep: true},
		{name: "length with sign", raw: "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", status: 200, body: "ok", closes: true},
		{name: "length overflows", raw: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nok", status: 200, body: "ok", closes: true},
		{name: "folded header", raw: "HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", closes: true},
		{name: "header without colon", raw: "HTTP/1.1 200 OK\r\nnonsense\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", closes: true},
		{name: "interim answers", raw: "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n" + ok200, status: 200, body: "ok", keep: true},
		{name: "redirect", raw: "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n", status: 302, keep: true},
		{name: "inert", raw: "HTTP/1.1 500 \x1b[31m\r\nSet-Cookie: a=b\r\nX-Bad: \x80\x00\r\nContent-Length: 4\r\n\r\n\x00<b>", status: 500, body: "\x00<b>", keep: true},
		{name: "100 KB after 2xx", raw: "HTTP/1.1 200 OK\r\nContent-Length: 102400\r\n\r\n" + long, status: 200, body: long[:1<<10], cut: true},
		{name: "2 KB after 2xx is drained", raw: "HTTP/1.1 200 OK\r\nContent-Length: 2048\r\n\r\n" + long[:2<<10], status: 200, body: long[:1<<10], cut: true, keep: true},
		{name: "2 KB of chunks after 2xx are drained", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + long[:1<<10] + "\r\n400\r\n" + long[:1<<10] + "\r\n0\r\n\r\n", status: 200, body: long[:1<<10], cut: true, keep: true},
		{name: "exactly what is kept", raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n400\r\n" + long[:1<<10] + "\r\n0\r\n\r\n", status: 200, body: long[:1<<10], keep: true},
		{name: "100 KB after 500", raw: "HTTP/1.1 500 X\r\nContent-Length: 102400\r\n\r\n" + long, status: 500, body: long[:64<<10], cut: true, keep: true},
		{name: "20 KB of headers", raw: "HTTP/1.1 200 OK\r\nX-A: " + long[:20<<10] + "\r\nContent-Length: 2\r\n\r\nok", status: 200, body: "ok", cut: true, keep: true},
		{name: "100 KB of headers", raw: "HTTP/1.1 200 OK\r\nX-A: " + long + "\r\nContent-Length: 2\r\n\r\nok", status: 200, cut: true},
		{name: "10,000 headers", raw: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X-A: b\r\nX-B: c\r\n", 5000) + "\r\n", status: 200, cut: true},

		{name: "status 007", raw: "HTTP/1.1 007 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 99", raw: "HTTP/1.1 99 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 099", raw: "HTTP/1.1 099 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 600", raw: "HTTP/1.1 600 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 999", raw: "HTTP/1.1 999 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 2000", raw: "HTTP/1.1 2000 X\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status 200OK", raw: "HTTP/1.1 200OK\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "status +20", raw: "HTTP/1.1 +20 OK\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "two spaces", raw: "HTTP/1.1  200 OK\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "1.2", raw: "HTTP/1.2 200 OK\r\n\r\n", class: store.ClassProtocol, detail: "malformed"},
		{name: "lower case", raw: "http/1.1 200 OK\r\n\r\n", class: store.ClassProtocol, detail: "not HTTP"},
		{name: "HTTP/2 in words", raw: "HTTP/2 200\r\n\r\n", class: store.ClassProtocol, detail: "HTTP/2"},
		{name: "HTTP/2 settings", raw: "\x00\x00\x00\x04\x00\x00\x00\x00\x00", class: store.ClassProtocol, detail: "HTTP/2"},
		{name: "TLS alert", raw: "\x15\x03\x01\x00\x02\x02\x46", class: store.ClassProtocol, detail: "use https"},
		{name: "ssh", raw: "SSH-2.0-OpenSSH_9\r\n", class: store.ClassProtocol, detail: "SSH-2.0"},
		{name: "binary", raw: "\x00\xff\xfe\x01", class: store.ClassProtocol, detail: "not HTTP"},
		{name: "101", raw: "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nwhatever", status: 101, class: store.ClassProtocol, detail: "101"},
		{name: "17 interim answers", raw: strings.Repeat("HTTP/1.1 102 Processing\r\n\r\n", 17) + ok200, class: store.ClassProtocol, detail: "interim"},
		{name: "long interim answers", raw: strings.Repeat("HTTP/1.1 102 P\r\nX-A: "+long[:10<<10]+"\r\n\r\n", 10) + ok200, class: store.ClassProtocol, detail: "interim"},
		{name: "endless status line", raw: "HTTP/1.1 200 " + long, cut: true, class: store.ClassProtocol, detail: "malformed"},
		{name: "nothing", raw: "", class: store.ClassReset, detail: "closed the connection before answering", closes: true},
		{name: "half a status line", raw: "HTTP/1.1 2", class: store.ClassReset, detail: "middle of the status line", closes: true},
		{name: "only interim", raw: "HTTP/1.1 100 Continue\r\n\r\n", class: store.ClassReset, closes: true},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := newRawServer(t, says(k.raw, k.closes))
			c := loopbackClient(t)
			for try := int32(1); try <= 2; try++ {
				resp, err := c.Send(context.Background(), post(s.url, "{}"))
				if classOf(err) != k.class || resp.Status != k.status || string(resp.Body) != k.body || resp.Truncated != k.cut {
					t.Fatalf("status %d, truncated %v, %d bytes of body %.40q, error %v", resp.Status, resp.Truncated, len(resp.Body), resp.Body, err)
				}
				if err != nil && !strings.Contains(err.Error(), k.detail) {
					t.Errorf("%v does not say %q", err, k.detail)
				}
				if resp.Timings.Reused != (k.keep && try == 2) || resp.Timings.Total <= 0 || len(resp.RequestHead) == 0 {
					t.Errorf("try %d: timings %+v", try, resp.Timings)
				}
				if n := s.requests.Load(); n != try {
					t.Errorf("%d requests arrived after %d sends", n, try)
				}
				if k.class == "" && !bytes.HasPrefix([]byte(k.raw[strings.LastIndex(k.raw, "HTTP/1"):]), resp.Head) {
					t.Errorf("head %.60q", resp.Head)
				}
			}
		})
	}
}

// TestKeptHeadsAreBounded: a receiver cannot have more kept of it by moving
// it from the body to the headers.
func TestKeptHeadsAreBounded(t *testing.T) {
	t.Parallel()
	const atMost = -1
	pad := "X-Pad: " + strings.Repeat("p", 30<<10) + "\r\n"
	for _, k := range []struct {
		raw     string
		maxBody int
		kept    int
	}{
		{"HTTP/1.1 200 OK\r\n" + pad + "Content-Length: 2\r\n\r\nok", 64 << 10, leastKeptHead},
		{"HTTP/1.1 500 X\r\n" + pad + "Content-Length: 2\r\n\r\nno", 64 << 10, maxKeptHead},
		{"HTTP/1.1 500 X\r\n" + pad + "Content-Length: 2\r\n\r\nno", 8 << 10, 8 << 10},
		{"HTTP/1.1 404 X\r\n" + pad + "Content-Length: 2\r\n\r\nno", 1 << 10, leastKeptHead},
		{"HTTP/1.1 101 X\r\n" + pad + "\r\n", 1 << 10, leastKeptHead},
		{"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\nok", 1 << 10, 0},
		{"HTTP/1.1 999 X\r\n" + pad + "\r\n", 1 << 10, atMost},
	} {
		s := newRawServer(t, says(k.raw, true))
		r := post(s.url, "{}")
		r.MaxBody = k.maxBody
		resp, _ := loopbackClient(t).Send(context.Background(), r)
		if k.kept == atMost { // reading ends at a wrong status line, wherever the rest is by then
			if n := len(resp.Head); n == 0 || n > leastKeptHead {
				t.Errorf("%.12s: %d bytes of head kept, want 1 to %d", k.raw, n, leastKeptHead)
			}
			continue
		}
		if k.kept == 0 && (len(resp.Head) > 100 || resp.Truncated) || k.kept > 0 && (len(resp.Head) != k.kept || !resp.Truncated) {
			t.Errorf("%.12s, %d of body: %d bytes of head kept, want %d", k.raw, k.maxBody, len(resp.Head), k.kept)
		}
	}
}
