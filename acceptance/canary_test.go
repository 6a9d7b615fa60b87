package acceptance

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"html"
	"io"
	"io/fs"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // for a backup as docs/operations.md makes it

	"github.com/malote-dev/malote/bench/rig"
)

// canaries are the secrets of a site, by what they are, and where each may be.
type canaries struct {
	*testing.T
	site    *rig.Site
	api     *rig.API
	secrets map[string]string
	address string // of an inspector: its last part, which is encrypted, and shown to who may see inspectors
}

// ask sends a request and looks for secrets in the answer: those named in
// shows have to be there, in clear, and no other may.
func (c *canaries) ask(status int, key, method, path, body string, shows ...string) map[string]any {
	c.Helper()
	api := *c.api
	api.Key = key
	ans, err := api.Raw(c.Context(), method, path, []byte(body))
	if err != nil {
		c.Fatal(err)
	}
	if ans.Status != status {
		c.Fatalf("%s %s: %d, want %d: %s", method, path, ans.Status, status, ans.Body)
	}
	var head bytes.Buffer
	_ = ans.Header.Write(&head)
	text := head.String() + "\n" + string(ans.Body)
	if strings.HasPrefix(ans.Header.Get("Content-Type"), "text/html") {
		text = html.UnescapeString(text)
	}
	for _, what := range shows {
		if secret := c.secrets[what]; secret != "" && !strings.Contains(text, secret) {
			c.Errorf("%s %s does not show the %s: %s", method, path, what, ans.Body)
		}
	}
	c.none("the answer to "+method+" "+path, text, shows...)
	var out map[string]any
	_ = json.Unmarshal(ans.Body, &out) // pages and metrics are none
	return out
}

// made is ask for what the server makes: the member at the path of names is a
// secret from now on.
func (c *canaries) made(what string, answer map[string]any, names ...string) string {
	c.Helper()
	var at any = answer
	for _, n := range names {
		object, _ := at.(map[string]any)
		at = object[n]
	}
	text, _ := at.(string)
	if len(text) < 16 {
		c.Fatalf("no %s at %v of %v", what, names, answer)
	}
	c.secrets[what] = text
	return text
}

// canary makes a secret to be given.
func (c *canaries) canary(what string) string {
	c.secrets[what] = "canary" + rand.Text()
	return c.secrets[what]
}

// none looks for every secret in every usual form but those that are excused.
func (c *canaries) none(where, text string, but ...string) {
	c.Helper()
	for what, s := range c.secrets {
		if slices.Contains(but, what) {
			continue
		}
		core := s[strings.LastIndex(s, "_")+1:] // without its prefix, which tells nothing
		forms := []string{core, url.QueryEscape(core), strings.ReplaceAll(core, "/", `\/`), hex.EncodeToString([]byte(s)), hex.EncodeToString([]byte(core))}
		for shift := range 3 { // base64 of a text that holds it anywhere
			enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + s))
			forms = append(forms, strings.TrimRight(enc[4:len(enc)-4], "="), strings.TrimRight(strings.NewReplacer("+", "-", "/", "_").Replace(enc[4:len(enc)-4]), "="))
		}
		if raw, err := base64.StdEncoding.DecodeString(core); err == nil && len(raw) >= 16 {
			forms = append(forms, string(raw), hex.EncodeToString(raw))
		}
		for _, f := range forms {
			if at := strings.Index(text, f); at >= 0 {
				c.Errorf("%s has the %s: …%q…", where, what, text[max(0, at-60):min(len(text), at+len(f)+20)])
				break
			}
		}
	}
}

// receiver answers by path, and shows whatever it is sent.
func echoing(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusOK
		if strings.HasPrefix(r.URL.Path, "/fail") {
			status = http.StatusBadRequest
		}
		w.Header().Set("X-Authorization", r.Header.Get("Authorization"))
		w.WriteHeader(status)
		for name, values := range r.Header {
			if !strings.Contains(strings.ToLower(name), "signature") {
				fmt.Fprintf(w, "%s: %q\n", name, values)
			}
		}
		_, _ = io.Copy(w, r.Body)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func (c *canaries) clientCertificate() (certificate, private string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sender"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		c.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		c.Fatal(err)
	}
	raw, err := key.Bytes()
	if err != nil {
		c.Fatal(err)
	}
	c.secrets["client certificate's private key"] = base64.StdEncoding.EncodeToString(raw)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func quoted(v any) string {
	b, _ := json.Marshal(v) // strings and maps of them
	return string(b)
}

// TestSecretsAreNowhere fills every field that holds a secret, has everything
// happen, and then looks for the secrets in all that anybody can read: the
// answers of every route, the log at its most talkative, metrics, the files of
// the database and a backup of it. Only the answers that show a secret once,
// and the lists of which a contract says so, have theirs.
func TestSecretsAreNowhere(t *testing.T) {
	t.Parallel()
	c := &canaries{T: t, secrets: map[string]string{}}
	smtp := filepath.Join(t.TempDir(), "smtp")
	if err := os.WriteFile(smtp, []byte("smtp://shop:"+c.canary("password of the mail relay")+"@127.0.0.1:9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.site = startServer(t, "--log-level", "debug", "--dialects", tokenDialect(t), "--smtp-url-file", smtp, "--mail-from", "webhooks@shop.example", "--public-url", "https://hooks.shop.example", "--inspect-listen", "127.0.0.1:0")
	c.api = c.site.API("")
	t.Cleanup(c.api.Client.CloseIdleConnections)
	master, err := os.ReadFile(c.site.MasterKeyFile())
	if err != nil {
		t.Fatal(err)
	}
	c.secrets["root key"], c.secrets["master key"] = c.site.RootKey, strings.TrimSpace(string(master))
	to := echoing(t)
	root := c.site.RootKey
	c.made("another root key", c.ask(201, root, "POST", "/v1/keys", `{"name":"second"}`), "key")

	native := c.native(root, to)
	companies := c.companies(root, to)
	c.sentItself(root, to)

	// What is refused must not be repeated: secrets in the wrong places.
	for _, body := range []string{
		`{"consumer":"acme","url":"https://example.com/","event_types":["*"],"secret":` + quoted("whsec_"+c.secrets["header value"]+"!") + `}`,
		`{"consumer":"acme","url":"https://example.com/","event_types":["*"],"headers":{"X-Key":` + quoted(c.secrets["header value"]+"\n") + `}}`,
		`{"consumer":"acme","url":` + quoted("https://u:"+c.secrets["password"]+"@example.com/") + `,"event_types":["*"]}`,
		`{"consumer":"acme","url":"https://example.com/","event_types":["*"],"auth":{"type":"bearer","token":` + quoted(c.secrets["bearer token"]+" ") + `}}`,
		`{"consumer":"acme","url":"https://example.com/","event_types":["*"],"auth":{"type":"mtls","certificate":"x","private_key":` + quoted(c.secrets["bearer token"]) + `}}`,
	} {
		c.ask(422, native["key"], "POST", "/v1/endpoints", body)
	}
	for _, wrong := range []string{c.secrets["root key"] + "x", c.secrets["project key"][:20]} {
		c.ask(401, wrong, "GET", "/v1/me", "")
	}

	c.everyRoute(root, native)
	for _, x := range companies {
		c.ask(200, x.key, "GET", x.list, "", x.shows...)
	}
	c.ask(200, "", "GET", "/metrics", "")
	c.secrets["inspector's address"] = c.address
	c.files()
}

// everyRoute asks each route that reads, as an operator, as the project and as
// a portal session: one of them is answered.
func (c *canaries) everyRoute(root string, ids map[string]string) {
	c.Helper()
	document := c.ask(200, "", "GET", "/openapi.json", "")
	for path, methods := range document["paths"].(map[string]any) {
		if methods.(map[string]any)["get"] == nil || strings.Contains(path, "{token}") || strings.HasPrefix(path, "/docs") || strings.HasPrefix(path, "/openapi") {
			continue
		}
		concrete := path
		longest := ""
		for of, id := range ids {
			if strings.HasPrefix(path, of) && len(of) > len(longest) {
				longest, concrete = of, objectPath(path, of, id)
			}
		}
		var statuses []int
		for _, key := range []string{root, ids["key"], ids["token"]} {
			api := *c.api
			api.Key = key
			ans, err := api.Raw(c.Context(), "GET", concrete, nil)
			if err != nil {
				c.Fatal(err)
			}
			statuses = append(statuses, ans.Status)
			c.none("the answer to GET "+concrete, string(ans.Body))
		}
		if !slices.Contains(statuses, http.StatusOK) {
			c.Errorf("GET %s was answered to nobody: %v", concrete, statuses)
		}
	}
	for id := range strings.FieldsSeq(ids["deliveries"]) {
		for _, key := range []string{ids["key"], ids["token"]} {
			c.ask(200, key, "GET", "/v1/deliveries/"+id+"/attempts", "")
		}
	}
}

func objectPath(path, of, id string) string {
	name := of[:strings.Index(of, "{")] + id
	return strings.Replace(path, of, name, 1)
}

// files looks through the log, the files of the database, and a backup.
func (c *canaries) files() {
	c.Helper()
	backup := filepath.Join(c.TempDir(), "backup.db")
	db, err := sql.Open("sqlite", filepath.Join(c.site.Data(), "malote.db"))
	if err != nil {
		c.Fatal(err)
	}
	if _, err := db.ExecContext(c.Context(), "VACUUM INTO ?", backup); err != nil {
		c.Fatal(err)
	}
	if err := db.Close(); err != nil {
		c.Fatal(err)
	}
	seen := 0
	for _, at := range []string{c.site.Data(), c.site.LogFile(), backup} {
		err := filepath.WalkDir(at, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, err := os.ReadFile(path)
			seen += len(b)
			c.none(filepath.Base(path), string(b))
			return err
		})
		if err != nil {
			c.Fatal(err)
		}
	}
	if log, err := os.ReadFile(c.site.LogFile()); err != nil || !bytes.Contains(log, []byte("level=DEBUG")) && !bytes.Contains(log, []byte(`"level":"DEBUG"`)) {
		c.Errorf("the log is not at its most talkative: %v", err)
	}
	if seen < 100<<10 {
		c.Errorf("only %d bytes were looked through", seen)
	}
}
