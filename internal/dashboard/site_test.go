package dashboard_test

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/app"
	"github.com/malote-dev/malote/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is a whole server, with a receiver on this machine.
type site struct {
	testing.TB
	T        *testing.T // the same; nil: it is a benchmark
	app      *app.App
	url      string // of the server, as http://127.0.0.1:…
	welcome  string // the link for the first owner
	root     *client.Client
	receiver *receiver
	key      string // the root key
	master   secret.Text
}

// receiver answers what it is told to, and keeps what came.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	status int
	header http.Header
	body   string
	came   chan *http.Request
}

func (r *receiver) answers(status int, header http.Header, body string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status, r.header, r.body = status, header, body
}

func newReceiver(t testing.TB) *receiver {
	t.Helper()
	r := &receiver{status: http.StatusOK, came: make(chan *http.Request, 1000)}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		r.mu.Lock()
		defer r.mu.Unlock()
		maps.Copy(w.Header(), r.header)
		w.WriteHeader(r.status)
		_, _ = io.WriteString(w, r.body)
		select {
		case r.came <- req:
		default:
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// open starts a server that nobody has signed in to.
func open(t testing.TB, change ...func(*app.Options)) *site {
	t.Helper()
	o := app.Options{Data: t.TempDir()}
	s := &site{TB: t, receiver: newReceiver(t), master: secret.Text(app.NewMasterKey())}
	s.T, _ = t.(*testing.T)
	return s.start(o, change...)
}

// start runs the server over a place.
func (s *site) start(o app.Options, change ...func(*app.Options)) *site {
	t := s.TB
	t.Helper()
	o.Listen, o.InspectListen, o.MasterKeys, o.EgressLoopback, o.Version, o.MinFree = "127.0.0.1:0", "127.0.0.1:0", []secret.Text{s.master}, true, "test", 1<<20
	for _, f := range change {
		f(&o)
	}
	log := slog.New(slog.DiscardHandler)
	var err error
	if s.key == "" {
		s.key, err = app.CreateRootKey(t.Context(), app.Place{Data: o.Data, Database: o.Database}, "root", log)
		s.no(err)
	}
	s.app, err = app.New(t.Context(), o, log)
	s.no(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- s.app.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	s.url, s.welcome = "http://"+s.app.Addr().String(), s.app.Console()
	s.root = s.client(s.key)
	return s
}

func (s *site) no(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *site) client(key string) *client.Client {
	s.Helper()
	transport := &http.Transport{}
	s.Cleanup(transport.CloseIdleConnections)
	c, err := client.New(client.Options{URL: s.url, Key: key, HTTP: &http.Client{Transport: transport}})
	s.no(err)
	return c
}

// project makes one with a key that may do everything.
func (s *site) project(name string) (*client.Project, *client.Client) {
	s.Helper()
	p, err := s.root.CreateProject(s.Context(), client.NewProject{Name: name, Environment: "development"})
	s.no(err)
	k, err := s.root.CreateKey(s.Context(), p.ID, client.NewKey{Scopes: []string{"*"}})
	s.no(err)
	return p, s.client(k.Key)
}

// visitor is a browser without scripts: it keeps cookies and follows nothing.
// Cookies for https alone are kept, as browsers keep them on this machine.
type visitor struct {
	s       *site
	http    *http.Client
	cookies map[string]string
	header  http.Header
}

func (s *site) visitor() *visitor {
	transport := &http.Transport{}
	s.Cleanup(transport.CloseIdleConnections)
	return &visitor{s: s, cookies: map[string]string{}, header: http.Header{}, http: &http.Client{
		Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// seen is a page as it came.
type seen struct {
	status int
	header http.Header
	body   string
}

func (v *visitor) send(method, path string, form url.Values) *seen {
	v.s.Helper()
	var body io.Reader = http.NoBody
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r, err := http.NewRequestWithContext(v.s.Context(), method, v.s.url+path, body)
	v.s.no(err)
	maps.Copy(r.Header, v.header)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := v.http.Do(r)
	v.s.no(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	v.s.no(err)
	for _, c := range resp.Cookies() {
		if v.cookies[c.Name] = c.Value; c.MaxAge < 0 {
			delete(v.cookies, c.Name)
		}
	}
	return &seen{resp.StatusCode, resp.Header, string(text)}
}

func (v *visitor) get(path string) *seen { v.s.Helper(); return v.send("GET", path, nil) }

func (v *visitor) post(path string, pairs ...string) *seen {
	v.s.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Add(pairs[i], pairs[i+1])
	}
	return v.send("POST", path, form)
}

// ownerPassword is what the first owner of tests chooses.
const ownerPassword = "a pouch of sealed letters"

// owner opens the link for the first owner and is signed in.
func (s *site) owner() *visitor {
	s.Helper()
	v := s.visitor()
	p := v.post(pathOf(s.welcome), "email", "ana@example.com", "password", ownerPassword, "again", ownerPassword)
	if p.status != http.StatusSeeOther || v.cookies["__Host-malote"] == "" {
		s.Fatalf("%d %s", p.status, p.body)
	}
	return v
}

// invited is somebody whom the owner gave a role.
func (s *site) invited(owner *visitor, email, role string) *visitor {
	s.Helper()
	page := owner.post("/people", "email", email, "role", role)
	link := regexp.MustCompile(`http://[^<"]+/welcome/[^<"]+`).FindString(page.body)
	if page.status != http.StatusCreated || link == "" {
		s.Fatalf("%d %s", page.status, page.body)
	}
	v := s.visitor()
	if p := v.post(pathOf(link), "password", ownerPassword, "again", ownerPassword); p.status != http.StatusSeeOther {
		s.Fatalf("%d %s", p.status, p.body)
	}
	return v
}

func pathOf(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return link
	}
	return u.Path
}

// mentions fails where a page lacks something.
func (p *seen) mentions(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(p.body, text) {
			t.Errorf("%d: the page lacks %q:\n%s", p.status, text, p.body)
		}
	}
}

// event sends one and waits until the receiver had it.
func (s *site) event(c *client.Client, consumer, kind, data string) string {
	s.Helper()
	a, err := c.Send(s.Context(), client.NewEvent{Type: kind, Consumer: consumer, Data: []byte(data)})
	s.no(err)
	for range a.Deliveries {
		select {
		case <-s.receiver.came:
		case <-s.Context().Done():
			s.Fatal("nothing came")
		}
	}
	return a.ID
}

// again has a delivery tried once more, and waits until that is over.
func (s *site) again(c *client.Client, d *client.Delivery) {
	s.Helper()
	_, err := c.RetryDelivery(s.Context(), d.ID)
	s.no(err)
	for before := d.Attempts; d.Attempts == before; {
		d, err = c.Delivery(s.Context(), d.ID)
		s.no(err)
	}
}

// settled waits until no delivery of an event is under its first attempt.
func (s *site) settled(c *client.Client, event string) []*client.Delivery {
	s.Helper()
	for {
		var ds []*client.Delivery
		for d, err := range c.Deliveries(s.Context(), client.DeliveryFilter{EventID: event}) {
			s.no(err)
			ds = append(ds, d)
		}
		if len(ds) > 0 && !slices.ContainsFunc(ds, func(d *client.Delivery) bool { return d.Attempts == 0 }) {
			return ds
		}
	}
}
