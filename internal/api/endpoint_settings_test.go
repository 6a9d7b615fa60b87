package api

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/match"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// with is a create with more members.
func with(more string) string {
	return `{"consumer":"1","url":"https://example.com/","event_types":["*"],` + more + `}`
}

// text of a member, as JSON.
func (a *answer) json(name string) string {
	a.t.Helper()
	var m map[string]json.RawMessage
	if err := json.Unmarshal(a.body, &m); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, a.body)
	}
	return string(m[name])
}

func TestEndpointSettings(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("tarefa", store.Development)
	names := []string{"concurrency", "timeout", "retry_schedule", "channels", "filter", "auth"}
	show := func(a *answer) string {
		var out []string
		for _, name := range names {
			out = append(out, a.json(name))
		}
		return strings.Join(out, " ")
	}
	const untouched = `null null null [] null null`
	plain := st.do(key, "POST", "/v1/endpoints", `{"consumer":"1","url":"https://example.com/","event_types":["*"]}`).want(201)
	if got := show(plain); got != untouched {
		t.Errorf("an endpoint without settings: %s", got)
	}
	if e := st.stored(key, plain.text("id")); fmt.Sprintf("%+v", e.Settings) != fmt.Sprintf("%+v", store.Settings{}) || e.Auth.Kind != "" {
		t.Errorf("a contract's endpoint is kept with settings: %+v", e.Settings)
	}
	made := st.do(key, "POST", "/v1/endpoints", with(`"concurrency":2,"timeout":60,"retry_schedule":[1,60,604800],"channels":["b","a","b"],
		"filter":"data.amount > 100"`)).want(201)
	const set = `2 60 [1,60,604800] ["a","b"] "data.amount > 100" null`
	path := "/v1/endpoints/" + made.text("id")
	for _, a := range []*answer{made, st.do(key, "GET", path, nil).want(200), st.do(key, "PATCH", path, `{"name":"x"}`).want(200)} {
		if got := show(a); got != set {
			t.Errorf("%s: %s", a.what, got)
		}
	}
	e := st.stored(key, made.text("id"))
	if s := e.Settings; s.Concurrency != 2 || s.Timeout != time.Minute || !slices.Equal(s.Schedule, []time.Duration{time.Second, time.Minute, 7 * 24 * time.Hour}) ||
		!slices.Equal(s.Channels, []string{"a", "b"}) || s.Filter != "data.amount > 100" {
		t.Errorf("kept: %+v", s)
	}
	for _, c := range [][2]string{
		{`{"retry_schedule":[]}`, `2 60 [] ["a","b"] "data.amount > 100" null`},
		{`{"channels":[],"filter":"","timeout":0}`, `2 null [] [] null null`},
		{`{"concurrency":null,"retry_schedule":null}`, untouched},
	} {
		if got := show(st.do(key, "PATCH", path, c[0]).want(200)); got != c[1] {
			t.Errorf("%s: %s, want %s", c[0], got, c[1])
		}
	}
	log := string(st.do(key, "GET", "/v1/audit?object="+made.text("id"), nil).want(200).body)
	for _, want := range []string{
		`{"field":"retry_schedule","before":null,"after":"1s, 1m0s, 168h0m0s"}`, `{"field":"retry_schedule","before":"1s, 1m0s, 168h0m0s","after":"none"}`,
		`{"field":"retry_schedule","before":"none","after":null}`, `{"field":"filter","before":"data.amount > 100","after":null}`,
		`{"field":"timeout","before":"1m0s","after":null}`, `{"field":"concurrency","before":null,"after":"2"}`, `{"field":"channels","before":"a, b","after":null}`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the audit log lacks %s: %s", want, log)
		}
	}
}

// TestEndpointSettingsLimits: each at its limit, and one past it.
func TestEndpointSettingsLimits(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	list := func(n int, item string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(item+",", n), ",") + "]"
	}
	names := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf(`"c%d"`, i))
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	filter := func(size int) string {
		text := "data.a == ''"
		return strings.TrimSuffix(text, "'") + strings.Repeat("x", size-len(text)) + "'"
	}
	text := func(n int) string { return strings.Repeat("x", n) }
	basic := func(user, password string) string {
		return `"auth":{"type":"basic","username":"` + user + `","password":"` + password + `"}`
	}
	for _, c := range []struct{ at, past, pointer, says string }{
		{`"concurrency":64`, `"concurrency":65`, "/concurrency", "from 1 to 64"},
		{`"concurrency":1`, `"concurrency":-1`, "/concurrency", "from 1 to 64"},
		{`"timeout":60`, `"timeout":61`, "/timeout", "from 1 to 60"},
		{`"timeout":1`, `"timeout":-1`, "/timeout", "from 1 to 60"},
		{`"retry_schedule":` + list(30, "60"), `"retry_schedule":` + list(31, "60"), "/retry_schedule", "has 31 waits"},
		{`"retry_schedule":[604800]`, `"retry_schedule":[604801]`, "/retry_schedule/0", "from 1 to 604800"},
		{`"retry_schedule":[5,1]`, `"retry_schedule":[5,0]`, "/retry_schedule/1", "from 1 to 604800"},
		{`"retry_schedule":[604800,604800,604800,604800,172800]`, `"retry_schedule":[604800,604800,604800,604800,172801]`, "/retry_schedule", "2592001 seconds in all"},
		{`"channels":` + names(100), `"channels":` + names(101), "/channels", "more than 100 names"},
		{`"channels":["` + text(128) + `"]`, `"channels":["` + text(129) + `"]`, "/channels/0", "129 characters"},
		{`"channels":["store-7.eu_1"]`, `"channels":["a",""]`, "/channels/1", "is empty"},
		{`"channels":["a"]`, `"channels":["a b"]`, "/channels/0", "a-z"},
		{`"filter":"` + filter(2048) + `"`, `"filter":"` + filter(2049) + `"`, "/filter", "has 2049 bytes; the limit is 2048"},
		{basic(text(256), ""), basic(text(257), ""), "/auth/username", "has 257 bytes; the limit is 256"},
		{basic("", text(256)), basic("", text(257)), "/auth/password", "has 257 bytes; the limit is 256"},
		{basic("a", "é:b"), basic("a:b", "c"), "/auth/username", "colon"},
		{basic("a", ""), basic("", ""), "/auth/username", "and the password too"},
		{basic("a", "b"), basic("a", `b\n`), "/auth/password", "control character"},
		{`"auth":{"type":"bearer","token":"` + text(4096) + `"}`, `"auth":{"type":"bearer","token":"` + text(4097) + `"}`, "/auth/token", "has 4097 bytes"},
		{`"auth":{"type":"bearer","token":"a.b-c_d~e+f/g=="}`, `"auth":{"type":"bearer","token":"Bearer x"}`, "/auth/token", "send the token alone"},
	} {
		st.do(key, "POST", "/v1/endpoints", with(c.at)).want(201)
		if a := st.do(key, "POST", "/v1/endpoints", with(c.past)).problem(kindInvalid, c.pointer); !strings.Contains(string(a.body), c.says) {
			t.Errorf("nothing says %q: %s", c.says, a.body)
		}
	}
	id := st.endpoint(key, "1")
	for body, pointers := range map[string][]string{
		`"retry_schedule":60`:                   {"/retry_schedule"},
		`"retry_schedule":["1m"]`:               {"/retry_schedule/0"},
		`"retry_schedule":[1.5]`:                {"/retry_schedule/0"},
		`"timeout":"10s"`:                       {"/timeout"},
		`"channels":"a"`:                        {"/channels"},
		`"filter":{}`:                           {"/filter"},
		`"auth":"basic"`:                        {"/auth"},
		`"auth":{"kind":"basic"}`:               {"/auth/kind"},
		`"auth":{"type":"basic","type":"mtls"}`: {"/auth/type"},
		`"auth":{"type":1}`:                     {"/auth/type"},
	} {
		st.do(key, "POST", "/v1/endpoints", with(body)).problem(kindShape, pointers...)
		st.do(key, "PATCH", "/v1/endpoints/"+id, "{"+body+"}").problem(kindShape, pointers...)
	}
	for body, pointers := range map[string][]string{
		`"auth":{}`:                {"/auth/type"},
		`"auth":{"type":"digest"}`: {"/auth/type"},
		`"auth":{"type":"basic"}`:  {"/auth/username", "/auth/password"},
		`"auth":{"type":"basic","username":"a","token":"b"}`:                                    {"/auth/password", "/auth/token"},
		`"auth":{"type":"bearer","token":""}`:                                                   {"/auth/token"},
		`"auth":{"type":"bearer","token":"[redacted]"}`:                                         {"/auth/token"},
		`"auth":{"type":"mtls","certificate":"x"}`:                                              {"/auth/private_key"},
		`"auth":{"type":"mtls","certificate":"x","private_key":"x"}`:                            {"/auth/certificate"},
		`"auth":{"type":"mtls","certificate":"` + text(egress.MaxPEM+1) + `","private_key":""}`: {"/auth/certificate", "/auth/private_key"},
		`"auth":{"type":"bearer","token":"t"},"headers":{"authorization":"x"}`:                  {"/auth/type"},
		`"filter":"data.a","channels":["!"],"concurrency":99,"timeout":99,"retry_schedule":[0]`: {"/channels/0", "/filter", "/concurrency", "/timeout", "/retry_schedule/0"},
	} {
		st.do(key, "POST", "/v1/endpoints", with(body)).problem(kindInvalid, pointers...)
	}
}

// TestFiltersAreJudgedOnSave: what is refused names the place and the fix.
func TestFiltersAreJudgedOnSave(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	id := st.endpoint(key, "1")
	for text, says := range map[string]string{
		"data.amount >":                      "/filter line 1, column 14: is not an expression",
		"data.amount >\n  100 && amount > 1": "/filter line 2, column 10: 'amount' is not known; the variables are event and data",
		"data.amount":                        "compare it, as in data.paid == true",
		"event.type":                         "is a string; a filter is true or false",
		"event.kind == 'a'":                  "/filter line 1, column 6: event has type, consumer, time and channels",
		"data.a.matches(data.b)":             "/filter line 1, column 15: matches takes a regular expression that stands in the filter",
		"data.a.all(x, data.a.all(y, data.a.all(z, data.a.all(w, true))))": "could take too long",
		"[[1]]" + strings.Repeat(".map(a,a+a)", 36) + " == [[2]]":          "has 36 loops (exists, all, map, filter) in one another or on the results of one another; at most 4 work",
		" ": "is empty; write an expression",
	} {
		body, _ := json.Marshal(map[string]string{"filter": text})
		a := st.do(key, "PATCH", "/v1/endpoints/"+id, body).problem(kindInvalid, "/filter")
		if got := a.text("detail"); !strings.Contains(got, says) {
			t.Errorf("%q: %s\nwant %s", text, got, says)
		}
	}
	for _, text := range []string{
		"data.amount > 100.0 && event.type.startsWith('invoice.')", "'eu' in event.channels || data.items.exists(i, i.sku == 'x')",
		"has(data.customer.vat) // only companies",
	} {
		body, _ := json.Marshal(map[string]string{"filter": text})
		var kept string
		a := st.do(key, "PATCH", "/v1/endpoints/"+id, body).want(200)
		if err := json.Unmarshal([]byte(a.json("filter")), &kept); err != nil || kept != text {
			t.Errorf("%q is kept as %q", text, kept)
		}
		if _, err := match.Compile(kept); err != nil {
			t.Error(err)
		}
	}
}

// certificate is a self-signed one with its key, PEM.
func certificate(t testing.TB, name string, until time.Time) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return certificateFor(t, private, name, until)
}

func certificateFor(t testing.TB, private *ecdsa.PrivateKey, name string, until time.Time) (cert, key string) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0xabc), Subject: pkix.Name{CommonName: name}, NotBefore: until.Add(-90 * 24 * time.Hour), NotAfter: until,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	text, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: text}))
}

func TestEndpointAuth(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	id := st.endpoint(key, "1")
	path := "/v1/endpoints/" + id
	patch := func(body string) *answer { return st.do(key, "PATCH", path, body) }
	shown := func(want string) {
		t.Helper()
		if got := st.do(key, "GET", path, nil).want(200).json("auth"); got != want {
			t.Errorf("auth is %s, want %s", got, want)
		}
	}
	kept := func() store.Auth { return st.stored(key, id).Auth }

	patch(`{"auth":{"type":"basic","username":"user","password":"p4ss"}}`).want(200)
	shown(`{"type":"basic","username":"user","password":"[redacted]"}`)
	patch(`{"auth":{"type":"basic","username":"other","password":"[redacted]"}}`).want(200)
	if a := kept(); a.Username != "other" || a.Password.Reveal() != "p4ss" {
		t.Errorf("%+v", a)
	}
	patch(`{"description":"d"}`).want(200)
	patch(`{"auth":{"type":"bearer","token":"[redacted]"}}`).problem(kindInvalid, "/auth/token") // a password is no token
	patch(`{"auth":{"type":"bearer","token":"t0ken"}}`).want(200)
	shown(`{"type":"bearer","token":"[redacted]"}`)
	if a := kept(); a.Token.Reveal() != "t0ken" || a.Username != "" || a.Password != "" {
		t.Errorf("%+v", a)
	}
	patch(`{"headers":{"AUTHORIZATION":"x"}}`).problem(kindInvalid, "/headers/AUTHORIZATION")
	patch(`{"auth":null,"headers":{"AUTHORIZATION":"x"}}`).want(200)
	shown(`null`)
	patch(`{"auth":{"type":"bearer","token":"t"}}`).problem(kindInvalid, "/auth/type")
	patch(`{"auth":{"type":"bearer","token":"t"},"headers":{"authorization":null}}`).want(200)
	patch(`{"auth":null}`).want(200)
	if a := kept(); a != (store.Auth{}) {
		t.Errorf("%+v", a)
	}
}

func TestClientCertificates(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("connectvets", store.Development) // takes plain http, too
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	until := time.Now().Add(30 * 24 * time.Hour).Truncate(time.Second).UTC()
	cert, pemKey := certificateFor(t, private, "acme hooks", until)
	renewed, _ := certificateFor(t, private, "acme hooks 2", until.Add(time.Hour))
	foreign, foreignKey := certificate(t, "someone", until)
	expired, expiredKey := certificate(t, "old", time.Now().Add(-time.Hour))
	mtls := func(cert, key string) map[string]any {
		return map[string]any{"auth": map[string]string{"type": "mtls", "certificate": cert, "private_key": key}}
	}
	made := st.do(key, "POST", "/v1/endpoints", map[string]any{
		"consumer": "1", "url": "https://example.com/", "event_types": []string{"*"}, "auth": mtls(cert, pemKey)["auth"],
	}).want(201)
	path := "/v1/endpoints/" + made.text("id")
	if strings.Contains(string(made.body), "PRIVATE KEY") {
		t.Errorf("the key is shown: %s", made.body)
	}
	facts := made.object()["client_certificate"].(map[string]any)
	if facts["subject"] != "CN=acme hooks" || facts["issuer"] != "CN=acme hooks" || facts["serial"] != "abc" ||
		facts["expires_at"] != until.Format("2006-01-02T15:04:05.000Z") || len(facts["fingerprint"].(string)) != 64 {
		t.Errorf("%v", facts)
	}
	// What was read can be sent back, and a renewed certificate of the same key with it.
	read := st.do(key, "GET", path, nil).want(200)
	st.do(key, "PATCH", path, `{"auth":`+read.json("auth")+`}`).want(200)
	if a := st.stored(key, made.text("id")).Auth; a.PrivateKey.Reveal() != pemKey || a.Certificate != cert {
		t.Error("the certificate did not stay")
	}
	if a := st.do(key, "PATCH", path, mtls(renewed, redactedValue)).want(200); a.object()["client_certificate"].(map[string]any)["subject"] != "CN=acme hooks 2" {
		t.Errorf("%s", a.body)
	}
	for _, c := range []struct {
		in            map[string]any
		pointer, says string
	}{
		{mtls(foreign, redactedValue), "/auth/private_key", "the two do not match"},
		{mtls(foreign, pemKey), "/auth/private_key", "the two do not match"},
		{mtls(expired, expiredKey), "/auth/certificate", "expired on"},
		{mtls(pemKey, pemKey), "/auth/certificate", "holds a private key"},
		{mtls(cert, cert), "/auth/private_key", "is not PEM"},
		{mtls(foreign+strings.Repeat(foreign, egress.MaxChain), foreignKey), "/auth/certificate", "more than 8 certificates"},
		{map[string]any{"url": "http://example.com/"}, "/url", "use https"},
	} {
		a := st.do(key, "PATCH", path, c.in).problem(kindInvalid, c.pointer)
		if !strings.Contains(string(a.body), c.says) || strings.Contains(string(a.body), "PRIVATE KEY-----\\n") {
			t.Errorf("nothing says %q: %s", c.says, a.body)
		}
	}
	st.do(key, "PATCH", path, map[string]any{"url": "http://example.com/", "auth": nil}).want(200)
	st.do(key, "PATCH", path, mtls(cert, pemKey)).problem(kindInvalid, "/auth/type")
	if a := st.do(key, "GET", path, nil).want(200); a.object()["client_certificate"] != nil || a.json("auth") != "null" {
		t.Errorf("%s", a.body)
	}
}

// TestAuthIsTheContractsFirst: where the contract itself sends Authorization,
// nothing else may.
func TestAuthIsTheContractsFirst(t *testing.T) {
	t.Parallel()
	d := *webhook.Standard()
	d.Signature.Header = "authorization"
	for body, want := range map[string]int{
		`{"type":"basic","username":"a","password":"b"}`: 1, `{"type":"bearer","token":"t"}`: 1,
		`{"type":"mtls","certificate":"c","private_key":"k"}`: 0,
	} {
		var in endpointInput
		if err := decodeBody([]byte(`{"auth":`+body+`}`), &in); err != nil {
			t.Fatal(err)
		}
		var errs ingest.FieldErrors
		if checkAuth(in.Auth, &d, &errs); len(errs) != want || want > 0 && errs[0].Pointer != "/auth/type" {
			t.Errorf("%s: %v", body, errs)
		}
	}
}

// TestAuthStaysSecret sends canaries through every field of auth that holds a
// secret, and looks for them in every answer and in the log.
func TestAuthStaysSecret(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	id := st.endpoint(key, "1")
	path := "/v1/endpoints/" + id
	cert, pemKey := certificate(t, "canary", time.Now().Add(time.Hour))
	secrets := map[string]string{"basic": "password-canary", "bearer": "token-canary", "mtls": strings.Split(pemKey, "\n")[1]}
	for kind, auth := range map[string]map[string]string{
		"basic": {"type": "basic", "username": "u", "password": "password-canary"}, "bearer": {"type": "bearer", "token": "token-canary"},
		"mtls": {"type": "mtls", "certificate": cert, "private_key": pemKey},
	} {
		bodies := []string{string(st.do(key, "PATCH", path, map[string]any{"auth": auth}).want(200).body)}
		for _, p := range []string{path, "/v1/endpoints", "/v1/audit"} {
			bodies = append(bodies, string(st.do(key, "GET", p, nil).want(200).body))
		}
		for _, spoil := range []map[string]any{
			{"auth": auth, "x": 1}, {"auth": auth, "url": "nope"}, {"auth": map[string]any{"type": auth, "password": 1}},
			{"auth": map[string]string{"type": "bearer", "token": secrets[kind] + " " + secrets[kind]}},
			{"auth": map[string]string{"type": "basic", "username": secrets[kind] + ":", "password": secrets[kind] + "\n"}},
			{"auth": map[string]string{"type": "mtls", "certificate": pemKey, "private_key": pemKey}},
			{"auth": map[string]string{"type": "mtls", "certificate": cert, "private_key": strings.Repeat(pemKey, 100)}},
			{"auth": map[string]string{"type": "mtls", "certificate": cert, "private_key": pemKey[:len(pemKey)/2]}},
		} {
			a := st.do(key, "PATCH", path, spoil)
			if a.status/100 != 4 {
				t.Errorf("%v: %s", spoil, a.body)
			}
			bodies = append(bodies, string(a.body))
		}
		for _, b := range append(bodies, st.log.String()) {
			if strings.Contains(b, secrets[kind]) {
				t.Errorf("%s is in %s", secrets[kind], b)
			}
		}
	}
}

// TestChannelsAndFiltersDecide: who gets an event, alone and in a batch, and
// what is said where nobody does.
func TestChannelsAndFiltersDecide(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	st.do(key, "POST", "/v1/endpoints", with(`"channels":["a","b"]`)).want(201)
	st.do(key, "POST", "/v1/endpoints", with(`"filter":"data.n > 1 && event.channels.size() < 3"`)).want(201)
	for body, want := range map[string]float64{
		`"data":{"n":2},"channels":["b","x"]`: 2, `"data":{"n":2}`: 1, `"data":{"n":1},"channels":["a"]`: 1, `"data":{"n":1}`: 0, `"data":{"n":1},"channels":["x"]`: 0,
		`"data":{},"channels":null`: 1, // cannot be judged
	} {
		event := `{"type":"t","consumer":"1",` + body + `}`
		single := st.do(key, "POST", "/v1/events", event).want(202).object()
		batch := st.do(key, "POST", "/v1/events/batch", `{"events":[`+event+`]}`).want(202).object()["results"].([]any)[0].(map[string]any)
		for _, m := range []map[string]any{single, batch} {
			if m["deliveries"] != want || (m["unreached"] != nil) != (want == 0) {
				t.Errorf("%s: %v, want %v", body, m, want)
			}
		}
	}
	event := st.do(key, "POST", "/v1/events", `{"type":"t","consumer":"1","data":1,"channels":["b","a","b"]}`).want(202)
	if got := st.do(key, "GET", "/v1/events/"+event.text("id"), nil).want(200).json("channels"); got != `["a","b"]` {
		t.Error(got)
	}
	if got := st.do(key, "GET", "/v1/events?limit=1", nil).want(200).object()["data"].([]any)[0].(map[string]any)["channels"]; fmt.Sprint(got) != "[a b]" {
		t.Error(got)
	}
	st.do(key, "POST", "/v1/events", `{"type":"t","consumer":"1","data":1,"channels":["!"]}`).problem(kindInvalid, "/channels/0")
	st.do(key, "POST", "/v1/events", `{"type":"t","consumer":"1","data":1,"channels":{}}`).problem(kindShape, "/channels")
}
