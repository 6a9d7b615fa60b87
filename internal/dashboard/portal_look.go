package dashboard

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/malote-dev/malote/internal/store"
)

// look is how a project's portal looks.
type look struct {
	Company string
	Colour  string // address of the style sheet with its colour; empty: the server's own
	Logo    string // address of its picture; empty: its name stands there
	Frame   bool   // it is the page that a frame shows
	origins []string
}

func viewLook(p *store.Project) *look {
	l := &look{Company: visible(p.Name), origins: p.Portal.Origins}
	if p.Portal.Name != "" {
		l.Company = visible(p.Portal.Name)
	}
	if p.Portal.Color != "" {
		l.Colour = colourPath + strings.TrimPrefix(p.Portal.Color, "#") + portalAsset
	}
	if len(p.Portal.Logo) > 0 {
		l.Logo = logoPath + store.ProjectName.Format(p.ID) + "/" + p.Portal.Logo.Sum()
	}
	return l
}

// logo serves a project's logo. Its address has what tells it from others, so
// that browsers keep it; what is under another is the same.
func (d *Dashboard) logo(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	id, err := store.ProjectName.Parse(r.PathValue("project"))
	var p *store.Project
	if err == nil {
		p, err = d.store.Project(r.Context(), id)
	}
	if err != nil || len(p.Portal.Logo) == 0 || r.PathValue("sum") != p.Portal.Logo.Sum() {
		http.NotFound(w, r)
		return
	}
	h.Set("Content-Type", p.Portal.Logo.Type())
	h.Set("Content-Length", strconv.Itoa(len(p.Portal.Logo)))
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox") // where it is opened by itself
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = w.Write(p.Portal.Logo) //nolint:gosec // a picture, and read as nothing else
}

// rgb is a colour, each part from 0 to 1.
type rgb [3]float64

func readColour(hex string) (c rgb, ok bool) {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil || len(hex) != 6 {
		return c, false
	}
	for i := range c {
		c[i] = float64(n>>(16-8*i)&0xff) / 255
	}
	return c, true
}

func (c rgb) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0]*255)), int(math.Round(c[1]*255)), int(math.Round(c[2]*255)))
}

// mix is a part of c, and the rest of another colour.
func (c rgb) mix(part float64, with rgb) (out rgb) {
	for i := range c {
		out[i] = c[i]*part + with[i]*(1-part)
	}
	return out
}

// luminance as of WCAG 2.
func (c rgb) luminance() float64 {
	linear := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c[0]) + 0.7152*linear(c[1]) + 0.0722*linear(c[2])
}

// contrast of two colours as of WCAG 2, from 1 to 21.
func contrast(a, b rgb) float64 {
	la, lb := a.luminance(), b.luminance()
	if la < lb {
		la, lb = lb, la
	}
	return (la + 0.05) / (lb + 0.05)
}

// Grounds that text stands on in the pages, and what contrast it has to have
// (4.5 is WCAG's AA; a little more for what browsers round).
var (
	white      = rgb{1, 1, 1}
	black      = rgb{}
	darkSheet  = rgb{24. / 255, 29. / 255, 26. / 255}
	lightSunk  = rgb{239. / 255, 237. / 255, 230. / 255}
	readable   = 4.6
	ofEachStep = 0.04
)

// readableOn takes a colour towards another until it is readable on all grounds.
func (c rgb) readableOn(towards rgb, grounds ...rgb) rgb {
	out := c
	for step := 0.0; step <= 1; step += ofEachStep {
		out = towards.mix(step, c)
		good := true
		for _, g := range grounds {
			good = good && contrast(out, g) >= readable
		}
		if good {
			break
		}
	}
	return out
}

// inkOn is the colour of text on a colour.
func inkOn(c rgb) rgb {
	if contrast(white, c) >= readable {
		return white
	}
	return black
}

// style is what makes the pages a company's: its colour as it is for the bar
// and for buttons, and for links one like it that can be read.
func (c rgb) style() string {
	softLight, softDark := c.mix(0.12, white), c.mix(0.22, darkSheet)
	light := c.readableOn(black, softLight, lightSunk, white)
	dark := c.readableOn(white, softDark, darkSheet)
	brand := fmt.Sprintf("--brand:%s;--brand-ink:%s;", c, inkOn(c))
	lightVars := fmt.Sprintf("%s--act:%s;--act-ink:%s;--act-soft:%s;", brand, light, inkOn(light), softLight)
	darkVars := fmt.Sprintf("%s--act:%s;--act-ink:%s;--act-soft:%s;", brand, dark, inkOn(dark), softDark)
	return ":root{" + lightVars + "}\n@media (prefers-color-scheme:dark){:root:not([data-theme=\"light\"]){" + darkVars + "}}\n:root[data-theme=\"dark\"]{" + darkVars + "}\n"
}

// colours serves the style sheet of a colour, which its address says.
func colours(w http.ResponseWriter, r *http.Request) {
	hex, ok := strings.CutSuffix(r.PathValue("name"), portalAsset)
	c, known := readColour(hex)
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if !ok || !known {
		http.NotFound(w, r)
		return
	}
	h.Set("Content-Type", "text/css; charset=utf-8")
	h.Set("Cache-Control", "public, max-age=86400")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = w.Write([]byte(c.style()))
}
