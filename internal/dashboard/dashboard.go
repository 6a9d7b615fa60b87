// Package dashboard is what people look at: the console of those who run the
// server, and the portal of their customers. Pages are made here and can be read without a script; what they show
// and do they ask the API for, for the person who looks, so that no rule
// stands twice.
package dashboard

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/api"
	"github.com/malote-dev/malote/internal/oidc"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// Options of the pages.
type Options struct {
	API       *api.API
	Store     *store.DB
	PublicURL string         // that people reach this server under, without a slash at its end; empty: not known
	Identity  *oidc.Provider // vouches for people; nil: nobody does
	Logger    *slog.Logger
	Version   string
	Settings  []Setting // of the whole server, as pages show them
}

// Dashboard serves the pages.
type Dashboard struct {
	api       *api.API
	store     *store.DB
	public    *url.URL       // nil: not known
	identity  *oidc.Provider // nil: none
	log       *slog.Logger
	version   string
	mux       *http.ServeMux
	guard     *http.CrossOriginProtection
	templates *templates
	assets    *assets
	passwords *secret.Passwords
	tries     tries
	streams   *streams
	settings  []Setting
}

// hashesAtOnce is how many passwords are judged at a time: each takes 46 MiB.
const hashesAtOnce = 2

// New makes the pages. It fails only where what is embedded is broken, which a
// test would have found.
func New(o Options) (*Dashboard, error) {
	d := &Dashboard{
		api: o.API, store: o.Store, identity: o.Identity, log: o.Logger, version: o.Version,
		mux: http.NewServeMux(), guard: http.NewCrossOriginProtection(), passwords: secret.NewPasswords(hashesAtOnce), tries: newTries(), streams: newStreams(maxStreams), settings: o.Settings,
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if u, err := url.Parse(o.PublicURL); err == nil && o.PublicURL != "" {
		d.public = u
		if err := d.guard.AddTrustedOrigin(u.Scheme + "://" + u.Host); err != nil {
			return nil, err
		}
	}
	var err error
	if d.assets, err = loadAssets(); err != nil {
		return nil, err
	}
	if d.templates, err = loadTemplates(d.assets); err != nil {
		return nil, err
	}
	for _, p := range d.pages() {
		d.mux.Handle(p.method+" "+p.pattern, d.page(p))
	}
	d.mux.Handle("GET "+assetPath+"{name}", d.assets)
	d.mux.HandleFunc("GET "+colourPath+"{name}", colours)
	d.mux.HandleFunc("GET "+elementPath, d.assets.element)
	d.mux.HandleFunc("GET "+logoPath+"{project}/{sum}", d.logo)
	d.mux.Handle(portalPath+"/", d.page(&page{portal: portalOpen, serve: func(*visit) error { return errNoPage }}))
	d.mux.Handle("/", d.page(&page{serve: func(*visit) error { return errNoPage }}))
	return d, nil
}

// Over serves the pages, and leaves every other path to the API. A host name
// that is bound to a project is its customers': no page is there.
func (d *Dashboard) Over(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isPage(r.URL.Path) || d.isBound(r) {
			next.ServeHTTP(w, r)
			return
		}
		d.mux.ServeHTTP(w, r)
	})
}

// isPage reports whether a path is the console's: by what stands before its
// second slash, none of which an API has.
func isPage(path string) bool {
	first, _, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch first {
	case "", "assets", "signin", "signout", "welcome", "preferences", "account", "people", "nodes", "projects", "p", "portal", "verify", "inspect":
		return true
	}
	return false
}

// isBound reports whether a request came to a project's host name, unless that
// is what people reach the server under.
func (d *Dashboard) isBound(r *http.Request) bool {
	host := strings.ToLower(r.Host)
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if d.public != nil && strings.EqualFold(d.public.Hostname(), host) {
		return false
	}
	_, err := d.store.ProjectByHost(r.Context(), host)
	return err == nil
}

// welcomeFor is how long the link for the first owner is good; each start
// makes a new one.
const welcomeFor = 24 * time.Hour

// Welcome makes a one-time link by which whoever opens it is the first owner;
// where there is one already, it is the path of the console.
func Welcome(ctx context.Context, db *store.DB) (path string, first bool, err error) {
	text, _, hash := api.NewKey(keyWelcome)
	made, err := db.InviteOwner(ctx, time.Now().Add(welcomeFor), hash)
	if err != nil || !made {
		return "/", false, err
	}
	return welcomePath + text.Reveal(), true, nil
}
