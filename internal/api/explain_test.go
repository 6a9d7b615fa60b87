package api

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// explanation is the answer of POST /v1/verify, in short.
type explanation struct {
	OK              bool
	Proof, Cause    *string
	Detail, Dialect string
	Time            *struct{ Age int64 }
	Message         []struct{ Kind, Body string }
	Expected        []struct {
		Signature *string
		Matches   bool
	}
	Mistakes []struct {
		Kind, Detail string
		Fits         bool
		Changes      []string
		Dialect      *string
	}
}

func (a *answer) explained() *explanation {
	a.t.Helper()
	a.want(200)
	x := &explanation{}
	if err := json.Unmarshal(a.body, x); err != nil {
		a.t.Fatal(err)
	}
	return x
}

// received is a request of a dialect as a receiver has it.
func received(t *testing.T, dialect, secret string, change func(body []byte) []byte) map[string]any {
	t.Helper()
	catalog, err := webhook.NewCatalog()
	if err != nil {
		t.Fatal(err)
	}
	d, _ := catalog.Lookup(dialect)
	h, body, err := d.Sign(&webhook.Message{ID: webhook.NewID(), Type: "a.b", Consumer: "7", Time: time.Now(), Data: []byte(`{"name":"João","n":1}`)}, webhook.Try{}, secret)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		body = change(body)
	}
	var lines []map[string]string
	for name, values := range h {
		for _, v := range values {
			lines = append(lines, map[string]string{"name": strings.ToLower(name), "value": v})
		}
	}
	return map[string]any{"dialect": dialect, "secrets": []string{secret}, "headers": lines, "body": string(body)}
}

func hmacHex(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return hex.EncodeToString(mac.Sum(nil))
}

func TestVerifyExplains(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("tarefa", store.Development)
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	for _, dialect := range []string{"standard", "tarefa", "stripe"} {
		in := received(t, dialect, secret, nil)
		if x := st.do(key, "POST", "/v1/verify", in).explained(); !x.OK || *x.Proof != "verified" || x.Cause != nil || x.Dialect != dialect+"/1" || len(x.Mistakes) != 0 {
			t.Errorf("%s: %+v", dialect, x)
		}
		in["body"], in["body_encoding"] = base64.StdEncoding.EncodeToString([]byte(in["body"].(string))), "base64"
		if x := st.do(st.root, "POST", "/v1/verify", in).explained(); !x.OK {
			t.Errorf("%s in base64: %+v", dialect, x)
		}
	}
	spaced := received(t, "tarefa", secret, func(b []byte) []byte { return []byte(strings.ReplaceAll(string(b), ",", ", ")) })
	delete(spaced, "dialect") // the project's
	a := st.do(key, "POST", "/v1/verify", spaced)
	if x := a.explained(); x.OK || *x.Cause != "body_changed" || x.Mistakes[0].Kind != "body" || !x.Mistakes[0].Fits || x.Message[0].Body != spaced["body"] {
		t.Errorf("%+v", x)
	}
	if !strings.Contains(string(a.again("Accept-Language", "pt-BR").body), "o segredo está certo, mas o corpo mudou no caminho: ele foi interpretado") {
		t.Errorf("not in Portuguese: %s", a.again("Accept-Language", "pt-BR").body)
	}
	python := received(t, "tarefa", secret, nil)
	python["body"] = `{"a":"é","b":1}`
	python["headers"] = []map[string]string{{"name": "X-Webhook-Signature", "value": "sha256=" + hmacHex(secret, `{"a": "\u00e9", "b": 1}`)}}
	a = st.do(key, "POST", "/v1/verify", python)
	if x := a.explained(); *x.Cause != "body_changed" || len(x.Mistakes[0].Changes) != 2 {
		t.Errorf("%+v", x)
	}
	if x := a.again("Accept-Language", "pt-BR").explained(); !strings.Contains(x.Mistakes[0].Changes[0], "como o Python escreve") {
		t.Errorf("not in Portuguese: %+v", x.Mistakes)
	}
}

// TestVerifyByAnEndpoint: by the secrets of an endpoint, which a portal session
// need not have, and gets nothing signed by.
func TestVerifyByAnEndpoint(t *testing.T) {
	t.Parallel()
	st := setup(t)
	project, key := st.project("standard", store.Development)
	e := st.do(key, "POST", "/v1/endpoints", `{"consumer":"acme","url":"https://example.com/hook","event_types":["*"]}`).want(201)
	id, secret := e.text("id"), e.text("secret")
	other := st.do(key, "POST", "/v1/endpoints", `{"consumer":"zeta","url":"https://example.com/hook","event_types":["*"]}`).want(201).text("id")
	token := st.session(key, "acme", store.PortalRead).text("token")
	in := received(t, "standard", secret, nil)
	delete(in, "dialect")
	in["secrets"], in["endpoint_id"] = []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, id
	a := st.do(token, "POST", "/v1/verify", in)
	x := a.explained()
	if !x.OK || len(x.Expected) != 2 || x.Expected[0].Matches || x.Expected[0].Signature == nil || !x.Expected[1].Matches || x.Expected[1].Signature != nil {
		t.Errorf("%s", a.body)
	}
	if strings.Contains(string(a.body), secret) {
		t.Error("the secret is told")
	}
	st.do(key, "POST", "/v1/endpoints/"+id+"/secret/rotate", nil).want(200)
	if x := st.do(token, "POST", "/v1/verify", in).explained(); !x.OK || len(x.Expected) != 3 {
		t.Errorf("while it rotates: %+v", x)
	}
	st.do(key, "POST", "/v1/endpoints/"+id+"/secret/rotate", `{"secret_overlap":0}`).want(200)
	if x := st.do(token, "POST", "/v1/verify", in).explained(); x.OK {
		t.Errorf("by a secret that ended: %+v", x)
	}
	var foreign, missing *answer
	for of, to := range map[string]**answer{other: &foreign, "ep_01m814a1b5e0080c3d4e5f6g7h": &missing} {
		in["endpoint_id"] = of
		*to = st.do(token, "POST", "/v1/verify", in).problem(kindInvalid, "/endpoint_id")
	}
	if got, want := foreign.object()["errors"], missing.object()["errors"]; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("another's is told from one that is not: %v, %v", got, want)
	}
	st.do(st.root, "POST", "/v1/verify", in).problem(kindInvalid, "/endpoint_id")
	st.do(st.key(project, "events:write"), "POST", "/v1/verify", in).problem(kindForbidden)
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("tarefa", store.Development)
	line := `{"name":"a","value":"b"}`
	for body, pointer := range map[string]string{
		`{"headers":[],"dialect":"nope"}`:                                            "/dialect",
		`{"headers":[],"secrets":["1","2","3","4","5","6"]}`:                         "/secrets",
		`{"headers":[],"secrets":["` + strings.Repeat("x", 1025) + `"]}`:             "/secrets/0",
		`{"headers":[{"name":"a b","value":"c"}]}`:                                   "/headers/0/name",
		`{"headers":[{"name":"a","value":"` + strings.Repeat("x", 16<<10+1) + `"}]}`: "/headers/0/value",
		`{"headers":[` + strings.Repeat(line+",", 200) + line + `]}`:                 "/headers",
		`{"headers":[],"body":"!","body_encoding":"base64"}`:                         "/body",
		`{"headers":[],"body":"` + strings.Repeat("x", 1<<20+1) + `"}`:               "/body",
		`{"headers":[],"body_encoding":"hex"}`:                                       "/body_encoding",
	} {
		st.do(key, "POST", "/v1/verify", body).problem(kindInvalid, pointer)
	}
	for body, pointer := range map[string]string{
		`{"headers":{"a":"b"}}`:        "/headers",
		`{"headers":[{"name":1}]}`:     "/headers/0/name",
		`{"headers":["a: b"]}`:         "/headers/0",
		`{"headers":[],"secrets":"a"}`: "/secrets",
	} {
		st.do(key, "POST", "/v1/verify", body).problem(kindShape, pointer)
	}
}

// Nothing of what is explained is kept or logged.
func TestVerifyKeepsNothing(t *testing.T) {
	t.Parallel()
	st := setup(t)
	p, key := st.project("tarefa", store.Development)
	const canary = "canary-4711-secret"
	in := received(t, "tarefa", canary, nil)
	in["body"] = canary + "-body"
	a := st.do(key, "POST", "/v1/verify", in)
	if x := a.explained(); x.OK || x.Expected[0].Signature == nil {
		t.Errorf("%+v", x)
	}
	if strings.Contains(strings.ReplaceAll(string(a.body), canary+"-body", ""), canary) || strings.Contains(st.log.String(), canary) {
		t.Errorf("the secret is in the answer or the log: %s", a.body)
	}
	if got := st.do(st.root, "GET", fmt.Sprintf("/v1/audit?project=%s", p), nil).want(200); strings.Contains(string(got.body), "verify") {
		t.Errorf("it is in the audit log: %s", got.body)
	}
}

func TestExplainSlots(t *testing.T) {
	t.Parallel()
	var e explainSlots
	a, b, c := sender{project: store.ID{1}}, sender{project: store.ID{2}}, sender{project: store.ID{3}}
	first, err := e.take(a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.take(a); err == nil {
		t.Error("a caller has two at a time")
	}
	second, err := e.take(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.take(c); err == nil {
		t.Error("three at a time")
	}
	first()
	if third, err := e.take(c); err != nil {
		t.Error(err)
	} else {
		third()
	}
	second()
	if len(e.of) != 0 {
		t.Errorf("%d are held", len(e.of))
	}
}

// What an inspector says of a request is explained to whoever reads requests,
// and what its secret makes of it is not told.
func TestInspectedRequestIsExplained(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	const secret = "whsec_abc123def456"
	signature := "sha256=" + hmacHex(secret, `{"a":1}`)
	id := st.do(key, "POST", "/v1/inspectors", map[string]string{"dialect": "tarefa", "secret": secret}).want(201).text("id")
	path := "/v1/inspectors/" + id
	request := func(body string) string {
		return path + "/requests/" + st.arrive(id, &store.InspectedRequest{Method: "POST", Head: []byte("x-webhook-signature: " + signature + "\r\n"), Body: []byte(body), BodyBytes: int64(len(body))}) + "/explanation"
	}
	right, changed := request(`{"a":1}`), request(`{"a": 1}`)
	if x := st.do(key, "GET", right, nil).explained(); !x.OK || x.Expected[0].Signature != nil {
		t.Errorf("%+v", x)
	}
	a := st.do(key, "GET", changed, nil)
	if x := a.explained(); x.OK || *x.Cause != "body_changed" || x.Expected[0].Signature != nil || strings.Contains(string(a.body), secret) {
		t.Errorf("%s", a.body)
	}
	st.do(key, "PATCH", path, `{"secret":null}`).want(200)
	st.do(key, "GET", right, nil).problem(kindConflict)
}
