package dashboard_test

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"mime/multipart"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/malote-dev/malote/client"
)

func picture(t *testing.T, w, h int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, w, h))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// upload sends a file with a form.
func (v *visitor) upload(path, field string, content []byte) *seen {
	v.s.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	part, err := m.CreateFormFile(field, "logo.png")
	v.s.no(err)
	_, err = part.Write(content)
	v.s.no(err)
	v.s.no(m.Close())
	r, err := http.NewRequestWithContext(v.s.Context(), http.MethodPost, v.s.url+path, &b)
	v.s.no(err)
	r.Header.Set("Content-Type", m.FormDataContentType())
	for name, value := range v.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	resp, err := v.http.Do(r)
	v.s.no(err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	v.s.no(err)
	return &seen{resp.StatusCode, resp.Header, string(text)}
}

// TestPortalLogo: a project's logo is kept by a form, and stands in the portal
// in place of the company's name, which it has as its text.
func TestPortalLogo(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	owner := c.owner()
	at := "/p/" + c.project.ID + "/settings"
	logo := picture(t, 160, 48)
	for name, wrong := range map[string][]byte{"svg": []byte("<svg onload=alert(1)>"), "wide": picture(t, 2000, 1), "large": bytes.Repeat([]byte("x"), 70_000)} {
		if p := owner.upload(at+"/logo", "logo", wrong); p.status != http.StatusUnprocessableEntity || !strings.Contains(p.body, `id="w-logo"`) {
			t.Errorf("%s: %d %s", name, p.status, p.body)
		}
	}
	owner.kept(owner.upload(at+"/logo", "logo", logo), "/portal/logos/"+c.project.ID)
	got, err := c.root.Project(t.Context(), c.project.ID)
	c.no(err)
	if !bytes.Equal(got.PortalLogo, logo) {
		t.Errorf("%d bytes of %d", len(got.PortalLogo), len(logo))
	}
	for p, err := range c.root.Projects(t.Context()) {
		c.no(err)
		if p.PortalLogo != nil {
			t.Error("a list has it")
		}
	}
	_, err = c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{PortalName: client.Set("Loja & Cia")})
	c.no(err)
	v := c.opened("read")
	page := v.get("/portal")
	page.mentions(t, `alt="Loja &amp; Cia"`)
	address := regexp.MustCompile(`/portal/logos/[^"]+`).FindString(page.body)
	served := c.visitor().get(address)
	h := served.header
	if served.status != http.StatusOK || served.body != string(logo) || h.Get("Content-Type") != "image/png" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
		t.Errorf("%d %v", served.status, h)
	}
	if p := c.visitor().get(address[:len(address)-1] + "x"); p.status != http.StatusNotFound {
		t.Error(p.status)
	}
	owner.kept(owner.post(at+"/logo", "none", "1"), "the name stands in its place")
	if p := c.visitor().get(address); p.status != http.StatusNotFound {
		t.Errorf("%d: it is served after it was taken away", p.status)
	}
}

// TestPortalLogoInChromium: it is shown, and nothing is reported.
func TestPortalLogoInChromium(t *testing.T) {
	t.Parallel()
	c := open(t).customer("")
	_, err := c.root.UpdateProject(t.Context(), c.project.ID, client.ProjectChange{PortalName: client.Set("Loja & Cia"), PortalColor: client.Set("#e8590c"), PortalLogo: client.Set(picture(t, 160, 48))})
	c.no(err)
	owner := c.owner()
	b := chromium(t, c.url)
	b.open(c.session("manage").Path)
	b.waitFor(`location.pathname === "/portal" && document.querySelector(".company img.logo")`)
	b.waitFor(`document.querySelector(".company img.logo").naturalWidth === 160`)
	b.accessible("a portal with a logo")
	b.picture("portal-logo")
	b.open("/portal/endpoints/" + c.good.ID)
	b.press("form[action*='/checkup'] button")
	b.waitFor(`document.querySelector("#checkup .checks")`)
	b.accessible("a check-up")
	for _, width := range []int64{390, 1440} {
		b.wide(width)
		b.fits("a check-up")
		b.picture("portal-checkup-" + map[int64]string{390: "390", 1440: "1440"}[width])
	}
	b.calm("a portal with a logo")
	b.signedIn(owner)
	b.open("/p/" + c.project.ID + "/settings")
	b.waitFor(`document.querySelector("main img.logo").naturalWidth === 160`)
	b.accessible("settings with a logo")
	b.calm("settings with a logo")
}
