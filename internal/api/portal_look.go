package api

import (
	"encoding/base64"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// maxPortalName is how long the name on a portal's pages may be, in characters.
const maxPortalName = 60

// maxOrigin bounds an origin, in bytes.
const maxOrigin = 255

// portalLook is how a project's portal looks and who may frame it; null is as
// by default.
type portalLook struct {
	name, color, logo optional[string]
	origins           optional[[]string]
}

// set sets what is given, in the form in which it is compared.
func (in portalLook) set(p *store.Portal, errs *ingest.FieldErrors) {
	if in.name.Set {
		p.Name = in.name.Value
		errs.AddText("/portal_name", checkText(p.Name, maxPortalName, false))
	}
	if in.color.Set {
		p.Color = strings.ToLower(in.color.Value)
		if p.Color != "" && (len(p.Color) != 7 || p.Color[0] != '#' || strings.Trim(p.Color[1:], "0123456789abcdef") != "") {
			addError(errs, "/portal_color", "is a colour in six hexadecimal digits behind a #, as in #0b6148")
		}
	}
	if in.logo.Set {
		p.Logo = nil
		if in.logo.Value != "" {
			p.Logo = checkLogo(in.logo.Value, errs)
		}
	}
	if !in.origins.Set {
		return
	}
	p.Origins = nil
	if len(in.origins.Value) > store.MaxPortalOrigins {
		addError(errs, "/portal_origins", "has %d origins; use at most %d", len(in.origins.Value), store.MaxPortalOrigins)
		return
	}
	for i, text := range in.origins.Value {
		origin, wrong := checkOrigin(text)
		if !wrong.IsZero() {
			errs.AddText("/portal_origins/"+strconv.Itoa(i), wrong)
			continue
		}
		if !slices.Contains(p.Origins, origin) {
			p.Origins = append(p.Origins, origin)
		}
	}
}

// maxLogoText bounds a logo in base64, in bytes.
const maxLogoText = (store.MaxLogo + 2) / 3 * 4

// checkLogo reads a logo in base64.
func checkLogo(text string, errs *ingest.FieldErrors) store.Logo {
	logo, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		addError(errs, "/portal_logo", "is not base64; send the picture's bytes in it, without a line break, and without data: before them")
		return nil
	}
	errs.AddText("/portal_logo", store.Logo(logo).Check())
	return logo
}

const maxOrigins = store.MaxPortalOrigins

// originForm is what a pattern can say of an origin.
const originForm = `^[Hh][Tt][Tt][Pp][Ss]?://[A-Za-z0-9.:\[\]-]+/?$`

// checkOrigin reads the origin of a page: it goes into a header, so only what
// can be in a host's name is in it.
func checkOrigin(text string) (string, lang.Message) {
	text = strings.ToLower(strings.TrimSuffix(text, "/"))
	u, err := url.Parse(text)
	scheme, rest, _ := strings.Cut(text, "://")
	local := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
	switch {
	case err != nil || len(text) > maxOrigin || rest == "" || rest != u.Host || u.Hostname() == "" || strings.Trim(rest, "abcdefghijklmnopqrstuvwxyz0123456789.:[]-") != "":
		return "", lang.Text("is no origin; write it as in https://app.example.com, without a path, and without *")
	case scheme != "https" && (scheme != "http" || !local):
		return "", lang.Text("has to begin with https://; http:// is taken for localhost alone")
	}
	return text, lang.Message{}
}
