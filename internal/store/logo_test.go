package store

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"
)

// TestLogos: pictures of each form are known by their header, and what is none
// or too large is refused.
func TestLogos(t *testing.T) {
	t.Parallel()
	made := func(w, h int, encode func(*bytes.Buffer, image.Image) error) Logo {
		var b bytes.Buffer
		if err := encode(&b, image.NewPaletted(image.Rect(0, 0, w, h), nil)); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	asPNG := func(b *bytes.Buffer, i image.Image) error { return png.Encode(b, image.NewGray(i.Bounds())) }
	asJPEG := func(b *bytes.Buffer, i image.Image) error { return jpeg.Encode(b, image.NewGray(i.Bounds()), nil) }
	webp := func(text string) Logo {
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	lossy := webp("UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA") // 1 by 1
	lossless := webp("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
	wide := bytes.Clone(lossy)
	wide[26], wide[27] = 0x01, 0x04 // 1025
	for _, c := range []struct {
		name string
		l    Logo
		kind string
		want string
	}{
		{"png", made(120, 40, asPNG), "image/png", ""},
		{"png at the limit", made(1024, 1024, asPNG), "image/png", ""},
		{"jpeg", made(120, 40, asJPEG), "image/jpeg", ""},
		{"webp", lossy, "image/webp", ""},
		{"webp without loss", lossless, "image/webp", ""},
		{"too wide", made(1025, 10, asPNG), "image/png", "1025 by 10 pixels"},
		{"too high", made(10, 1025, asJPEG), "image/jpeg", "10 by 1025 pixels"},
		{"webp too wide", wide, "image/webp", "1025 by 1 pixels"},
		{"cut off", made(120, 40, asPNG)[:20], "image/png", "damaged"},
		{"webp cut off", lossy[:24], "image/webp", "damaged"},
		{"too large", make(Logo, MaxLogo+1), "", "the limit is 65536"},
		{"svg", Logo(`<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>`), "", "no picture that is taken"},
		{"gif", Logo("GIF89a"), "", "no picture that is taken"},
		{"nothing", Logo{}, "", "no picture that is taken"},
	} {
		if got := c.l.Check().String(); (c.want == "") != (got == "") || !strings.Contains(got, c.want) || c.l.Type() != c.kind {
			t.Errorf("%s: %s %q", c.name, c.l.Type(), got)
		}
	}
}
