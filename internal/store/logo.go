package store

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"

	"github.com/malote-dev/malote/internal/lang"
)

// Limits of the logo on a portal's pages.
const (
	MaxLogo     = 64 << 10 // bytes
	MaxLogoSide = 1024     // pixels
)

// Logo is a picture: PNG, JPEG or WebP.
type Logo []byte

// logoForm is a form of pictures, known by how its files begin.
type logoForm struct {
	kind, begins string
	size         func(b []byte) (image.Config, error)
}

func logoForms() []logoForm {
	return []logoForm{
		{"image/png", "\x89PNG\r\n\x1a\n", func(b []byte) (image.Config, error) { return png.DecodeConfig(bytes.NewReader(b)) }},
		{"image/jpeg", "\xff\xd8\xff", func(b []byte) (image.Config, error) { return jpeg.DecodeConfig(bytes.NewReader(b)) }},
		{"image/webp", "RIFF", webpSize},
	}
}

// Type is the media type; empty: it is none that is taken.
func (l Logo) Type() string {
	for _, f := range logoForms() {
		if bytes.HasPrefix(l, []byte(f.begins)) {
			return f.kind
		}
	}
	return ""
}

// Check says what is wrong with one, by its header; zero: nothing.
func (l Logo) Check() lang.Message {
	if len(l) > MaxLogo {
		return lang.Text("has %d bytes; the limit is %d", len(l), MaxLogo)
	}
	for _, f := range logoForms() {
		if !bytes.HasPrefix(l, []byte(f.begins)) {
			continue
		}
		c, err := f.size(l)
		switch {
		case err != nil || c.Width < 1 || c.Height < 1:
			return lang.Text("is a damaged picture; save it again as PNG, JPEG or WebP")
		case c.Width > MaxLogoSide || c.Height > MaxLogoSide:
			return lang.Text("is %d by %d pixels; the limit is %d by %[3]d", c.Width, c.Height, MaxLogoSide)
		}
		return lang.Message{}
	}
	return lang.Text("is no picture that is taken; send PNG, JPEG or WebP")
}

// Sum tells one from another.
func (l Logo) Sum() string {
	sum := sha256.Sum256(l)
	return hex.EncodeToString(sum[:8])
}

// says is what the audit log shows of one.
func (l Logo) says() string {
	if len(l) == 0 {
		return ""
	}
	return fmt.Sprintf("%s, %d bytes, %s", l.Type(), len(l), l.Sum())
}

var errWebP = fmt.Errorf("not a WebP")

// webpSize reads the header of a WebP: the first chunk says how large it is,
// in one of three ways (RFC 9649, 2.4 to 2.7).
func webpSize(b []byte) (c image.Config, err error) {
	if len(b) < 30 || string(b[8:12]) != "WEBP" || int(binary.LittleEndian.Uint32(b[4:]))+8 > len(b)+1 {
		return c, errWebP
	}
	switch body := b[20:]; string(b[12:16]) {
	case "VP8 ":
		if string(body[3:6]) != "\x9d\x01\x2a" {
			return c, errWebP
		}
		c.Width, c.Height = int(binary.LittleEndian.Uint16(body[6:])&0x3fff), int(binary.LittleEndian.Uint16(body[8:])&0x3fff)
	case "VP8L":
		if body[0] != 0x2f {
			return c, errWebP
		}
		bits := binary.LittleEndian.Uint32(body[1:])
		c.Width, c.Height = int(bits&0x3fff)+1, int(bits>>14&0x3fff)+1
	case "VP8X":
		c.Width, c.Height = 1+int(uint32(body[4])|uint32(body[5])<<8|uint32(body[6])<<16), 1+int(uint32(body[7])|uint32(body[8])<<8|uint32(body[9])<<16)
	default:
		return c, errWebP
	}
	return c, nil
}
