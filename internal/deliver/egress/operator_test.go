package egress

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestOperatorClient: it reaches what is private, not what nobody may reach,
// follows nothing, and does not read for ever.
func TestOperatorClient(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/away":
			http.Redirect(w, r, "/", http.StatusFound)
		case "/long":
			_, _ = io.CopyN(w, zeros{}, operatorBody+1)
		case "/full":
			_, _ = io.CopyN(w, zeros{}, operatorBody)
		}
	}))
	defer s.Close()
	c := NewOperatorClient(OperatorOptions{})
	defer c.CloseIdleConnections()
	read := func(url string) (status, length int, err error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			return 0, 0, err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return res.StatusCode, len(body), err
	}
	if status, _, err := read(s.URL); status != http.StatusOK || err != nil {
		t.Error(status, err)
	}
	if status, _, err := read(s.URL + "/away"); status != http.StatusFound || err != nil {
		t.Error(status, err)
	}
	if _, n, err := read(s.URL + "/full"); n != operatorBody || err != nil {
		t.Error(n, err)
	}
	if _, _, err := read(s.URL + "/long"); !errors.Is(err, errLongAnswer) {
		t.Error(err)
	}
	for _, host := range []string{"169.254.169.254", "[fe80::1]", "[fd00:ec2::254]", "224.0.0.1"} {
		if _, _, err := read("http://" + host + "/"); err == nil || !strings.Contains(err.Error(), "not allowed") && !strings.Contains(err.Error(), "never") && !strings.Contains(err.Error(), "blocked") {
			t.Errorf("%s: %v", host, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
