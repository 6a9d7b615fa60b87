package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Forwarder passes requests that arrived at an inspector on to a server of
// one's own, as a rule on this machine, with the body and the headers that they
// came with: so a signature still fits. What belongs to a connection is left
// out.
type Forwarder struct {
	target   *url.URL
	anywhere bool
	http     *http.Client
}

// Forwarded is what a server answered.
type Forwarded struct {
	Status int
	Took   time.Duration
}

// Limits of a request that is passed on.
const (
	forwardTime = 30 * time.Second
	maxDrained  = 1 << 20 // bytes of an answer that are read, so that the connection can be used again
)

// ErrNotLocal says that a forwarder was to connect to another machine.
var ErrNotLocal = errors.New("the address is not of this machine")

// ErrClimbs says that a request's path leads out of the one that it is passed
// on under.
var ErrClimbs = errors.New("a segment .. of its path leads out of the one that it is passed on under")

// NewForwarder makes one that passes requests on to a URL. It connects to this
// machine alone, unless anywhere says otherwise; see [Forwarder.Check]. The
// error says what is wrong with the URL.
func NewForwarder(target string, anywhere bool) (*Forwarder, error) {
	u, err := url.Parse(target)
	if err != nil || u.Hostname() == "" || !isPort(u.Port()) || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" {
		return nil, fmt.Errorf("malote: %q is not a URL that requests can be passed on to; write for example http://localhost:3000/webhook", target)
	}
	dialer := &net.Dialer{Timeout: forwardTime}
	if !anywhere {
		dialer.Control = onlyLocal
	}
	return &Forwarder{target: u, anywhere: anywhere, http: &http.Client{
		Timeout:       forwardTime,
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableCompression: true, MaxIdleConns: 4, IdleConnTimeout: forwardTime},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// isPort reports whether a URL's port can be one; empty: it is the scheme's.
func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return text == "" || err == nil && n > 0
}

// Check says before anything is passed on whether it can be: what the target's
// name does not resolve to now, and where that leads. Errors: [ErrNotLocal].
func (f *Forwarder) Check(ctx context.Context) error {
	at, err := net.DefaultResolver.LookupNetIP(ctx, "ip", f.target.Hostname())
	if err != nil {
		if d := (*net.DNSError)(nil); errors.As(err, &d) {
			return fmt.Errorf("%s: %s", d.Name, d.Err)
		}
		return err
	}
	local := slices.ContainsFunc(at, func(a netip.Addr) bool { return a.Unmap().IsLoopback() })
	if !local && !f.anywhere {
		return fmt.Errorf("%s: %w", f.target.Hostname(), ErrNotLocal)
	}
	return nil
}

// onlyLocal judges the address that a name resolved to, before it is dialled.
func onlyLocal(_, address string, _ syscall.RawConn) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil || !a.Addr().Unmap().IsLoopback() {
		return fmt.Errorf("%s: %w", address, ErrNotLocal)
	}
	return nil
}

// Forward passes one on, once, to the target with the path and the query that
// stood behind the inspector's address. The error says why no answer came.
func (f *Forwarder) Forward(ctx context.Context, r *InspectedRequest) (*Forwarded, error) {
	if r.BodyTruncated || !r.BodyComplete {
		return nil, errors.New("its body is not all there")
	}
	if climbs(r.Path) {
		return nil, ErrClimbs
	}
	q, err := http.NewRequestWithContext(ctx, r.Method, f.url(r), bytes.NewReader(r.Body))
	if err != nil {
		return nil, err
	}
	q.Header = forwardedHeaders(r.Headers)
	start := time.Now()
	resp, err := f.http.Do(q)
	if err != nil {
		if u := (*url.Error)(nil); errors.As(err, &u) {
			err = u.Err // the target is known to who asks
		}
		return nil, err
	}
	_, _ = io.CopyN(io.Discard, resp.Body, maxDrained)
	_ = resp.Body.Close()
	return &Forwarded{Status: resp.StatusCode, Took: time.Since(start)}, nil
}

// Close closes connections that are kept open.
func (f *Forwarder) Close() { f.http.CloseIdleConnections() }

// climbs reports whether a path has a segment .. however it is written: what
// somebody out there sends is to reach nothing beside the target's path. A
// backslash is a slash to some servers.
func climbs(path string) bool {
	for range 3 { // what was escaped twice is read twice by some
		for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
			if segment, _, _ = strings.Cut(segment, ";"); segment == ".." { // parameters of a segment are taken off by some
				return true
			}
		}
		plain, err := url.PathUnescape(path)
		if err != nil || plain == path {
			return false
		}
		path = plain
	}
	return false
}

// url is where a request goes.
func (f *Forwarder) url(r *InspectedRequest) string {
	u := *f.target
	path := u.EscapedPath() + r.Path
	if strings.HasSuffix(u.EscapedPath(), "/") && strings.HasPrefix(r.Path, "/") {
		path = u.EscapedPath() + r.Path[1:]
	}
	if p, err := url.PathUnescape(path); err == nil {
		u.Path, u.RawPath = p, path
	}
	switch {
	case u.RawQuery == "":
		u.RawQuery = r.Query
	case r.Query != "":
		u.RawQuery += "&" + r.Query
	}
	return u.String()
}

// hopByHop belong to one connection, or are written by who sends.
var hopByHop = []string{
	"connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade",
}

// forwardedHeaders are those that are passed on, spelled as they came.
func forwardedHeaders(lines []Header) http.Header {
	out := slices.Clone(hopByHop)
	for _, h := range lines {
		if strings.EqualFold(h.Name, "Connection") {
			for name := range strings.SplitSeq(h.Value, ",") {
				out = append(out, strings.ToLower(strings.TrimSpace(name)))
			}
		}
	}
	all := http.Header{"User-Agent": {""}} // none of our own
	for _, h := range lines {
		switch name := strings.ToLower(h.Name); {
		case name == "user-agent": // net/http looks for it under this name
			all["User-Agent"] = []string{h.Exact()}
		case !slices.Contains(out, name):
			all[h.Name] = append(all[h.Name], h.Exact())
		}
	}
	return all
}
