package egress

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// OperatorOptions are of a client for what the operator names.
type OperatorOptions struct {
	Resolver *net.Resolver // default: pure Go
	RootCAs  *x509.CertPool
}

// Bounds of one exchange with what the operator names.
const (
	operatorFor  = 10 * time.Second
	operatorBody = 1 << 20 // bytes of an answer
	operatorHead = 64 << 10
)

// NewOperatorClient makes an HTTP client for a service that the operator named,
// as an identity provider, and for what that refers to. It may be a private one:
// nothing that a customer enters comes near it. What no operator can lift for
// webhooks (link-local and metadata addresses, multicast) is refused here, too.
// It follows no redirect, uses no proxy, and an answer of more than 1 MiB is an error.
func NewOperatorClient(o OperatorOptions) *http.Client {
	d := newDialer(&Options{Resolver: o.Resolver, RootCAs: o.RootCAs})
	d.judge = judgeRelay
	transport := &http.Transport{
		DialContext:            d.dialOperators,
		TLSClientConfig:        d.tls.Clone(),
		TLSHandshakeTimeout:    operatorFor,
		ResponseHeaderTimeout:  operatorFor,
		MaxResponseHeaderBytes: operatorHead,
		MaxIdleConns:           4,
		IdleConnTimeout:        time.Minute,
	}
	return &http.Client{
		Transport: &bounded{transport}, Timeout: operatorFor,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (d *dialer) dialOperators(ctx context.Context, _, address string) (net.Conn, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return nil, err
	}
	addrs, failed := d.resolve(ctx, host, uint16(port), &store.Timings{})
	if failed != nil {
		return nil, failed
	}
	for _, a := range addrs {
		if err := d.judge(a); err != nil {
			return nil, blockedName(host, a, err)
		}
	}
	c, err := d.dialAny(ctx, addrs)
	if err != nil {
		return nil, connectError(err, operatorFor, len(addrs))
	}
	return c, nil
}

// bounded ends an answer that is too long with an error.
type bounded struct{ *http.Transport }

func (b *bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := b.Transport.RoundTrip(r)
	if err == nil {
		res.Body = &boundedBody{res.Body, operatorBody}
	}
	return res, err
}

var errLongAnswer = errors.New("the answer is longer than 1 MiB")

type boundedBody struct {
	io.ReadCloser
	left int
}

func (b *boundedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.left -= n; b.left < 0 {
		return 0, errLongAnswer
	}
	return n, err
}
