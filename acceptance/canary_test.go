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
	c.site = startServer(t, "--log-level", "debug", "--smtp-url-file", smtp, "--mail-from", "webhooks@shop.example", "--public-url", "https://hooks.shop.example")
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
	c.files()
}

// native fills the fields of a project of the native API; the ids are by the
// prefixes of routes.
func (c *canaries) native(root, to string) map[string]string {
	t := c.T
	t.Helper()
	project := c.ask(201, root, "POST", "/v1/projects", `{"name":"shop","environment":"development","dialect":"standard"}`)["id"].(string)
	key := c.made("project key", c.ask(201, root, "POST", "/v1/projects/"+project+"/keys", `{"name":"all","scopes":["*","keys:write"]}`), "key")
	revoked := c.ask(201, root, "POST", "/v1/projects/"+project+"/keys", `{"name":"gone","scopes":["*"]}`)
	c.made("revoked key", revoked, "key")
	c.ask(200, root, "DELETE", "/v1/projects/"+project+"/keys/"+revoked["id"].(string), "")
	c.ask(201, key, "PUT", "/v1/consumers/acme", `{"name":"Acme","emails":["ti@acme.example"]}`)
	c.ask(201, key, "POST", "/v1/event-types", `{"name":"a","examples":[{"id":1}]}`)

	var random [32]byte
	_, _ = rand.Read(random[:])
	c.secrets["given signing secret"] = "whsec_" + base64.StdEncoding.EncodeToString(random[:])
	certificate, private := c.clientCertificate()
	base := `{"consumer":"acme","event_types":["*"],`
	var first string
	for i, in := range []string{
		`"url":` + quoted(to+"/ok") + `,"secret":` + quoted(c.secrets["given signing secret"]) + `,"headers":{"X-Api-Key":` + quoted(c.canary("header value")) + `}`,
		`"url":` + quoted(to+"/fail") + `,"auth":{"type":"basic","username":"u","password":` + quoted(c.canary("password")) + `}`,
		`"url":` + quoted(to+"/fail/2") + `,"auth":{"type":"bearer","token":` + quoted(c.canary("bearer token")) + `}`,
		`"url":` + quoted(strings.Replace(to, "http:", "https:", 1)+"/mtls") + `,"auth":{"type":"mtls","certificate":` + quoted(certificate) + `,"private_key":` + quoted(private) + `}`,
		`"url":` + quoted(to+"/ok/2") + `,"secret_type":"ed25519","headers":{"Authorization":` + quoted("Token "+c.canary("authorization")) + `}`,
	} {
		var shows []string
		if i == 0 {
			shows = []string{"given signing secret"}
		}
		made := c.ask(201, key, "POST", "/v1/endpoints", base+in+`}`, shows...)
		id := made["id"].(string)
		if i > 0 && i < 4 {
			c.made(fmt.Sprintf("signing secret %d", i), made, "secret")
		}
		if first == "" {
			first = id
		}
		if i < 3 {
			c.made(fmt.Sprintf("rotated signing secret %d", i), c.ask(200, key, "POST", "/v1/endpoints/"+id+"/secret/rotate", ""), "secret")
		}
		c.ask(202, key, "POST", "/v1/endpoints/"+id+"/test", "")
	}
	session := c.ask(201, key, "POST", "/v1/consumers/acme/portal-sessions", `{"access":"manage"}`)
	token := c.made("portal session's token", session, "token")
	c.ask(200, token, "GET", "/v1/endpoints", "")
	link := c.ask(201, key, "POST", "/v1/endpoints/"+first+"/secret-links", "")
	c.secrets["one-time link"] = link["path"].(string)[len("/s/"):]
	c.ask(200, "", "GET", link["path"].(string), "")
	c.ask(200, "", "POST", link["path"].(string), "", "rotated signing secret 0")
	c.ask(410, "", "POST", link["path"].(string), "")

	sent := c.ask(202, key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":{"id":1}}`)
	event := sent["id"].(string)
	deliveries := c.ended(key, event, 5)
	c.ask(202, key, "POST", "/v1/deliveries/"+deliveries[0]+"/retry", "")
	replay := c.ask(202, key, "POST", "/v1/replays", `{"kind":"recover","from":"2020-01-01T00:00:00Z"}`)
	probed := c.ask(200, key, "POST", "/v1/endpoints/"+first+"/probe", "")
	_ = probed
	return map[string]string{
		"key": key, "/v1/projects/{id}": project, "/v1/endpoints/{id}": first, "/v1/events/{id}": event, "/v1/deliveries/{id}": deliveries[0],
		"/v1/replays/{id}": replay["id"].(string), "/v1/consumers/{uid}": "acme", "/v1/event-types/{name}": "a", "deliveries": strings.Join(deliveries, " "),
	}
}

// ended waits until each delivery of an event has had an attempt.
func (c *canaries) ended(key, event string, n int) (ids []string) {
	c.Helper()
	for deadline := time.Now().Add(patience); ; <-time.After(20 * time.Millisecond) {
		list := c.ask(200, key, "GET", "/v1/deliveries?event_id="+event, "")["data"].([]any)
		ids = nil
		for _, d := range list {
			if d := d.(map[string]any); d["attempts"].(float64) > 0 {
				ids = append(ids, d["id"].(string))
			}
		}
		if len(ids) == n {
			return ids
		}
		if time.Now().After(deadline) {
			c.Fatalf("%d of %d deliveries were tried: %v", len(ids), n, list)
		}
	}
}

// documentedList is a company's own list, and the secrets that its contract
// has in it.
type documentedList struct {
	key, list string
	shows     []string
}

func (c *canaries) companies(root, to string) (out []documentedList) {
	c.Helper()
	for dialect, x := range map[string]struct{ path, create string }{
		"gabinete360": {"/api/v1/channels", `{"type":"webhook","name":"n","config":{"type":"webhook","url":` + quoted(to+"/ok") + `,"secret":` + quoted(c.canary("channel's secret")) + `}}`},
		"placaflow": {"/api/webhooks", `{"name":"n","url":` + quoted(to+"/fail/p") + `,"events":["*"],"secret":` + quoted(c.canary("placaflow secret")) +
			`,"headers":{"Authorization":` + quoted("Bearer "+c.canary("placaflow header")) + `}}`},
		"tarefa": {"/api/webhooks", `{"url":"https://example.com/","events":["task.created"]}`},
	} {
		project := c.ask(201, root, "POST", "/v1/projects", `{"name":`+quoted(dialect)+`,"environment":"development","dialect":`+quoted(dialect)+`}`)["id"].(string)
		key := c.made(dialect+" key", c.ask(201, root, "POST", "/v1/projects/"+project+"/keys", `{"consumer":"123","prefix":"pk_","scopes":["webhooks:read","webhooks:write"]}`), "key")
		all := c.made(dialect+" project key", c.ask(201, root, "POST", "/v1/projects/"+project+"/keys", `{"scopes":["*"]}`), "key")
		var shows, list []string
		switch dialect {
		case "placaflow": // its list shows both
			shows = []string{"placaflow secret", "placaflow header"}
			list = shows
		case "gabinete360": // the caller's own words come back, once
			shows = []string{"channel's secret"}
		}
		created := c.ask(201, key, "POST", x.path, x.create, shows...)
		if dialect == "tarefa" {
			c.made("tarefa secret", created, "webhook", "secret")
		}
		if dialect != "tarefa" {
			event := c.ask(202, all, "POST", "/v1/events", `{"type":"recognition.created","consumer":"123","data":{"plate":1}}`)["id"].(string)
			id := c.ended(all, event, 1)[0]
			c.ask(200, all, "GET", "/v1/deliveries/"+id+"/attempts", "")
		}
		out = append(out, documentedList{key, x.path, list})
	}
	return out
}

// everyRoute asks each route that reads, as an operator and as the project.
func (c *canaries) everyRoute(root string, ids map[string]string) {
	c.Helper()
	document := c.ask(200, "", "GET", "/openapi.json", "")
	asked := 0
	for path, methods := range document["paths"].(map[string]any) {
		if methods.(map[string]any)["get"] == nil || strings.Contains(path, "{token}") || strings.HasPrefix(path, "/docs") || strings.HasPrefix(path, "/openapi") {
			continue
		}
		concrete := path
		for of, id := range ids {
			if strings.HasPrefix(path, of) {
				concrete = objectPath(path, of, id)
			}
		}
		for _, key := range []string{root, ids["key"]} {
			api := *c.api
			api.Key = key
			ans, err := api.Raw(c.Context(), "GET", concrete, nil)
			if err != nil {
				c.Fatal(err)
			}
			if ans.Status == http.StatusOK {
				asked++
			}
			c.none("the answer to GET "+concrete, string(ans.Body))
		}
	}
	if asked < 30 {
		c.Errorf("only %d reads were answered", asked)
	}
	for id := range strings.FieldsSeq(ids["deliveries"]) {
		c.ask(200, ids["key"], "GET", "/v1/deliveries/"+id+"/attempts", "")
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
