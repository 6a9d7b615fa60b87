package api

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// englishWords give away what was not translated. What is quoted is the
// caller's own, or the name of something.
var (
	englishWords = regexp.MustCompile(`(?i)\b(the|is|are|has|have|send|must|may|cannot|not|of|with|which|leave|body|key|missing|header|value)\b`)
	quotedWords  = regexp.MustCompile("`[^`]*`|\"[^\"]*\"|\\{[^}]*\\}|[a-z]+:[a-z]+|--[a-z-]+|[a-z_]+\\.[a-z_]+|/[^ ,;]*|[A-Z][a-z]+-[A-Z][A-Za-z]+|\\b[a-z]+_[a-z_]+|\\([^)]*\\)")
)

// inPortuguese asks once more, in Portuguese, and compares with the problem p
// in English: every text is another, and nothing else is. What is answered
// otherwise the second time (a rate that is used up) is not compared.
func (a *answer) inPortuguese(p *problem) {
	a.t.Helper()
	if a.again == nil || a.status == 429 || a.status >= 500 {
		return
	}
	b := a.again("Accept-Language", "pt-BR,pt;q=0.9,en;q=0.8")
	if b.status != a.status {
		return
	}
	var q problem
	if err := json.Unmarshal(b.body, &q); err != nil {
		a.t.Fatalf("%s: %v: %s", a.what, err, b.body)
	}
	if got, want := b.header.Get("Content-Language")+b.header.Get("Vary"), "pt-BRAccept-Language"; got != want {
		a.t.Errorf("%s: in %s", a.what, got)
	}
	if q.Type != p.Type || len(q.Errors) != len(p.Errors) {
		a.t.Fatalf("%s: %s\nin English %s", a.what, b.body, a.body)
	}
	same := func(en, pt string) {
		a.t.Helper()
		if en == pt || pt == "" {
			a.t.Errorf("%s: %q is said in English", a.what, pt)
		}
		if left := englishWords.FindString(quotedWords.ReplaceAllString(pt, "")); left != "" {
			a.t.Errorf("%s: %q has English left: %s", a.what, pt, left)
		}
	}
	same(p.Title, q.Title)
	same(p.Detail, q.Detail)
	same(p.Fix, q.Fix)
	for i, e := range q.Errors {
		was := p.Errors[i]
		if e.Parameter != was.Parameter || e.Header != was.Header || (e.Pointer == nil) != (was.Pointer == nil) || e.Pointer != nil && *e.Pointer != *was.Pointer {
			a.t.Errorf("%s: %s names another place than %s", a.what, b.body, a.body)
		}
		same(was.Detail, e.Detail)
	}
}

// TestLanguages: whole answers in both.
func TestLanguages(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Production)
	long := strings.Repeat("x", 129)
	for _, c := range []struct{ method, path, body, want, english, portuguese string }{
		{
			"POST", "/v1/events", `{"type":"a b","consumer":"` + long + `","data":1}`, "422",
			`{"type":"urn:malote:problem:invalid-value","title":"A value is missing or refused","status":422,"detail":"2 fields are wrong: /type, /consumer","errors":[{"pointer":"/type","detail":"may hold only the characters a-z, A-Z, 0-9, _, . and -"},{"pointer":"/consumer","detail":"has 129 characters; use at most 128"}],"fix":"Correct what errors names and send it again."}`,
			`{"type":"urn:malote:problem:invalid-value","title":"Um valor falta ou foi recusado","status":422,"detail":"2 campos estão errados: /type, /consumer","errors":[{"pointer":"/type","detail":"só pode ter os caracteres a-z, A-Z, 0-9, _, . e -"},{"pointer":"/consumer","detail":"tem 129 caracteres; use no máximo 128"}],"fix":"Corrija o que errors aponta e envie de novo."}`,
		},
		{
			"POST", "/v1/events", `{"type":"a",`, "400",
			`{"type":"urn:malote:problem:malformed-json","title":"The body is not acceptable JSON","status":400,"detail":"the body: line 1, column 13: the document ends where a member's name in double quotes is expected","fix":"Send one JSON object in UTF-8, without a byte order mark, and nothing after it."}`,
			`{"type":"urn:malote:problem:malformed-json","title":"O corpo não é um JSON aceitável","status":400,"detail":"o corpo: linha 1, coluna 13: o documento termina onde se esperava o nome de um membro entre aspas duplas","fix":"Envie um objeto JSON em UTF-8, sem BOM e sem nada depois dele."}`,
		},
		{
			"POST", "/v1/events/batch", `{"events":[{"type":"","consumer":"acme","data":1}]}`, "422",
			`{"type":"urn:malote:problem:invalid-value","title":"A value is missing or refused","status":422,"detail":"the event was not kept: /type is missing; name what happened, as in task.completed","errors":[{"pointer":"/events/0/type","detail":"is missing; name what happened, as in task.completed"}],"fix":"Correct what errors names and send it again."}`,
			`{"type":"urn:malote:problem:invalid-value","title":"Um valor falta ou foi recusado","status":422,"detail":"o evento não foi guardado: /type não foi informado; diga o que aconteceu, como em task.completed","errors":[{"pointer":"/events/0/type","detail":"não foi informado; diga o que aconteceu, como em task.completed"}],"fix":"Corrija o que errors aponta e envie de novo."}`,
		},
		{
			"POST", "/v1/endpoints", `{"consumer":"acme","event_types":["*"],"url":"https://10.0.0.1/","secret":"whsec_YQ=="}`, "422",
			`{"type":"urn:malote:problem:invalid-value","title":"A value is missing or refused","status":422,"detail":"2 fields are wrong: /url, /secret","errors":[{"pointer":"/url","detail":"host 10.0.0.1 is a private address; use a public https URL, or have the operator allow it with --egress-allow 10.0.0.0/8"},{"pointer":"/secret","detail":"has the length 10; standard takes 38 to 128 bytes; a secret is whsec_ and 24 to 64 bytes in base64 behind it; leave it out to have one made"}],"fix":"Correct what errors names and send it again."}`,
			`{"type":"urn:malote:problem:invalid-value","title":"Um valor falta ou foi recusado","status":422,"detail":"2 campos estão errados: /url, /secret","errors":[{"pointer":"/url","detail":"o host 10.0.0.1 é um endereço privado; use uma URL https pública, ou peça ao operador que libere com --egress-allow 10.0.0.0/8"},{"pointer":"/secret","detail":"tem tamanho 10; standard aceita de 38 a 128 bytes; um segredo é whsec_ seguido de 24 a 64 bytes em base64; omita o campo para que o servidor gere um"}],"fix":"Corrija o que errors aponta e envie de novo."}`,
		},
		{
			"POST", "/v1/events/batch", `{"events":[{"type":"a","consumer":"acme","data":1},{"type":"","consumer":"acme","data":1}]}`, "202",
			`{"accepted":1,"refused":1,"results":[{"id":"evt_…","deliveries":0,"unreached":"consumer acme has no endpoints"},{"error":{"type":"urn:malote:problem:invalid-value","title":"A value is missing or refused","status":422,"detail":"/type is missing; name what happened, as in task.completed","errors":[{"pointer":"/type","detail":"is missing; name what happened, as in task.completed"}],"fix":"Correct what errors names and send it again."}}]}`,
			`{"accepted":1,"refused":1,"results":[{"id":"evt_…","deliveries":0,"unreached":"o consumidor acme não tem endpoints"},{"error":{"type":"urn:malote:problem:invalid-value","title":"Um valor falta ou foi recusado","status":422,"detail":"/type não foi informado; diga o que aconteceu, como em task.completed","errors":[{"pointer":"/type","detail":"não foi informado; diga o que aconteceu, como em task.completed"}],"fix":"Corrija o que errors aponta e envie de novo."}}]}`,
		},
		{
			"POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`, "202",
			`{"id":"evt_…","deliveries":0,"unreached":"consumer acme has no endpoints"}`,
			`{"id":"evt_…","deliveries":0,"unreached":"o consumidor acme não tem endpoints"}`,
		},
	} {
		for accept, want := range map[string]string{"": c.english, "en-US": c.english, "de, *": c.english, "pt": c.portuguese, "en;q=0.5, pt-PT": c.portuguese} {
			var header []string
			if accept != "" {
				header = []string{"Accept-Language", accept}
			}
			a := st.do(key, c.method, c.path, c.body, header...)
			got := unlike.ReplaceAllString(strings.TrimSpace(string(a.body)), "$1")
			got = regexp.MustCompile(`evt_\w+`).ReplaceAllString(got, "evt_…")
			if got != want {
				t.Errorf("%s %s in %q:\n got %s\nwant %s", c.method, c.path, accept, got, want)
			}
		}
	}
}

// unlike is what no two answers share.
var unlike = regexp.MustCompile(`,"request_id":"[^"]*"(})$`)

// TestKeptTextsInPortuguese: what was kept in English is shown in the
// language of the reader, and codes stay codes.
func TestKeptTextsInPortuguese(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Production)
	ep := st.endpoint(key, "acme")
	sent := st.do(key, "POST", "/v1/events", `{"type":"a","consumer":"acme","data":1}`).want(202)
	dlv := st.do(key, "GET", "/v1/deliveries?event_id="+sent.text("id"), nil).want(200).object()["data"].([]any)[0].(map[string]any)["id"].(string)
	st.finishOne(ep, dlv, store.Pending, store.Attempt{
		RequestHead: []byte("POST / HTTP/1.1\r\n\r\n"), Status: 401, ResponseHead: []byte("HTTP/1.1 401 Unauthorized\r\n\r\n"), Class: store.ClassStatus,
		Detail: lang.Keep("answered %s; is the receiver checking the signature with this endpoint's secret?", "401 Unauthorized"),
	})
	st.do(key, "POST", "/v1/endpoints/"+ep+"/pause", nil).want(200)
	for _, c := range []struct{ path, english, portuguese string }{
		{
			"/v1/deliveries/" + dlv + "/attempts",
			`"error":{"class":"status","detail":"answered 401 Unauthorized; is the receiver checking the signature with this endpoint's secret?"}`,
			`"error":{"class":"status","detail":"respondeu 401 Unauthorized; o receptor confere a assinatura com o segredo deste endpoint?"}`,
		},
		{"/v1/deliveries/" + dlv, `"held":"endpoint paused"`, `"held":"endpoint pausado"`},
		{"/v1/endpoints/" + ep, `"state":"paused","state_reason":"paused through the API"`, `"state":"paused","state_reason":"pausado pela API"`},
		{"/v1/endpoints", `"state_reason":"paused through the API"`, `"state_reason":"pausado pela API"`},
	} {
		for accept, want := range map[string]string{"en": c.english, "pt-BR": c.portuguese} {
			a := st.do(key, "GET", c.path, nil, "Accept-Language", accept).want(200)
			if !strings.Contains(string(a.body), want) {
				t.Errorf("%s in %s: %s\nwant %s", c.path, accept, a.body, want)
			}
		}
	}
}
