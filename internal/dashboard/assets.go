package dashboard

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"net/http"
	"path"
	"strings"
)

// The scripts among them are bundled from scripts/*.ts; what comes out is committed.
//go:generate go run -C ../../tools ./scripts

//go:embed assets/*.css assets/*.js assets/*.svg
var assetFiles embed.FS

const assetPath = "/assets/"

// assets are the files that pages need. A file's address holds its hash, so
// that browsers keep it for good and never use an old one.
type assets struct {
	served map[string]*asset // by the last part of the address
	named  map[string]string // address, by the file's name
}

type asset struct {
	kind         string
	plain, small []byte // small: compressed
}

func loadAssets() (*assets, error) {
	a := &assets{served: map[string]*asset{}, named: map[string]string{}}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	files, err := assetFiles.ReadDir("assets")
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		text, err := assetFiles.ReadFile("assets/" + f.Name())
		if err != nil {
			return nil, err
		}
		var small bytes.Buffer
		z, _ := gzip.NewWriterLevel(&small, gzip.BestCompression) // a level that there is
		if _, err := z.Write(text); err != nil {
			return nil, err
		}
		if err := z.Close(); err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		ext := path.Ext(f.Name())
		address := strings.TrimSuffix(f.Name(), ext) + "." + hex.EncodeToString(sum[:8]) + ext
		a.served[address] = &asset{kind: kinds[ext], plain: text, small: small.Bytes()}
		a.named[f.Name()] = assetPath + address
	}
	return a, nil
}

// url is the address of a file, for templates.
func (a *assets) url(name string) (string, error) {
	if address, ok := a.named[name]; ok {
		return address, nil
	}
	return "", fmt.Errorf("no asset is called %s", name)
}

// ServeHTTP serves one.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := a.served[r.PathValue("name")]
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	if f == nil {
		http.NotFound(w, r)
		return
	}
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox") // of an image that is opened by itself
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	f.write(w, r)
}

// elementPath is where pages of others find the element that shows the portal:
// it stays the same, whatever the version.
const elementPath = portalPath + "/element.js"

// element serves it, to pages of any origin.
func (a *assets) element(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "public, max-age=3600")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	h.Set("Access-Control-Allow-Origin", "*") // where a page asks for its hash, or takes it as a module
	a.served[strings.TrimPrefix(a.named["malote-portal.js"], assetPath)].write(w, r)
}

func (f *asset) write(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Add("Vary", "Accept-Encoding")
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.small
	}
	h.Set("Content-Length", fmt.Sprint(len(body)))
	_, _ = w.Write(body)
}
