package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// edit replaces text of a built-in dialect's file, once.
type edit struct{ name, dialect, old, new string }

// Every way in which a dialect file can be wrong; the golden file holds file,
// line and reason.
var wrongDialects = []edit{
	{"not JSON", "standard", `"revision": 1,`, `"revision": 1;`},
	{"missing comma", "standard", `"revision": 1,`, `"revision": 1`},
	{"cut off", "standard", `"headers"`, "\x00"},
	{"trailing comma", "standard", `"numeric_consumer": false`, `"numeric_consumer": false,`},
	{"text behind it", "standard", "\n}\n", "\n}\n{}\n"},
	{"not UTF-8", "standard", "Standard Webhooks 1.0", "Standard \xff"},
	{"unknown field", "standard", `"content_type"`, `"content-type"`},
	{"field in other case", "standard", `"content_type"`, `"Content_Type"`},
	{"unknown field inside", "standard", `"gone_disables"`, `"gone_disable"`},
	{"field twice", "standard", `"jitter": 0.1,`, `"jitter": 0.1, "jitter": 0,`},
	{"text for a number", "standard", `"revision": 1`, `"revision": "1"`},
	{"fraction for a whole number", "standard", `"revision": 1`, `"revision": 1.5`},
	{"number for a flag", "standard", `"breaker": true`, `"breaker": 1`},
	{"null", "standard", `"title": "Standard Webhooks 1.0"`, `"title": null`},
	{"object for a list", "tarefa", `["1m", "5m", "15m", "1h"]`, `{"1m": 1}`},
	{"list for an object", "standard", `"data": {"message"`, `"data": [], "datum": {"message"`},
	{"number for a duration", "tarefa", `["1m", "5m", "15m", "1h"]`, `[60, 300]`},
	{"odd duration", "tarefa", `"15m"`, `"15 minutes"`},
	{"bad name", "standard", `"name": "standard"`, `"name": "Standard!"`},
	{"revision 0", "standard", `"revision": 1`, `"revision": 0`},
	{"no title", "standard", `"title": "Standard Webhooks 1.0"`, `"title": ""`},
	{"no shape", "tarefa", `"shape": {`, `"form": {`},
	{"shape without data", "standard", `, "data": "{data}"`, ``},
	{"data twice", "standard", `"data": "{data}"`, `"data": "{data}", "again": "{data}"`},
	{"data in a text", "standard", `"data": "{data}"`, `"data": "x{data}"`},
	{"unknown hole", "tarefa", `"webhookId": "{endpoint}"`, `"webhookId": "{webhook}"`},
	{"attempt in the body", "tarefa", `"webhookId": "{endpoint}"`, `"webhookId": "{attempt}"`},
	{"open hole", "tarefa", `"webhookId": "{endpoint}"`, `"webhookId": "{endpoint"`},
	{"time without a format", "tarefa", `"timestamp": "{time:rfc3339_millis}"`, `"timestamp": "{time}"`},
	{"format of an id", "tarefa", `"webhookId": "{endpoint}"`, `"webhookId": "{endpoint:hex}"`},
	{"consumer's format", "tarefa", `{consumer:number}`, `{consumer:int}`},
	{"key twice in the shape", "tarefa", `"webhookId": "{endpoint}"`, `"event": "{endpoint}"`},
	{"splice not last", "gabinete360", `"...": "{data}"`, `"...": "{data}", "more": 1`},
	{"splice of something else", "gabinete360", `"...": "{data}"`, `"...": "{type}", "data": "{data}"`},
	{"splice inside", "gabinete360", `"...": "{data}"`, `"inside": {"...": "{data}"}`},
	{"number without the rule", "tarefa", `"numeric_consumer": true`, `"numeric_consumer": false`},
	{"odd header name", "standard", `"name": "User-Agent"`, `"name": "User Agent"`},
	{"HTTP's header", "standard", `"name": "User-Agent"`, `"name": "transfer-encoding"`},
	{"header twice", "standard", `"name": "User-Agent"`, `"name": "Webhook-Id"`},
	{"header value in two lines", "standard", `Malote-Webhook/1.0`, `a\r\nb: c`},
	{"empty header", "standard", `Malote-Webhook/1.0`, ``},
	{"hole of a body in a header", "standard", `Malote-Webhook/1.0`, `{data}`},
	{"previous on the first try", "tarefa", `, "when": "retry"`, ``},
	{"odd when", "tarefa", `"when": "retry"`, `"when": "never"`},
	{"signature header taken", "standard", `"header": "webhook-signature"`, `"header": "webhook-id"`},
	{"signed header not sent", "standard", `{header:webhook-id}`, `{header:webhook-is}`},
	{"signed header only on retries", "tarefa", `"message": "{body}"`, `"message": "{body}{header:X-Previous-Attempt}"`},
	{"header hole without a name", "tarefa", `"message": "{body}"`, `"message": "{body}{header}"`},
	{"body not signed", "tarefa", `"message": "{body}"`, `"message": "constant"`},
	{"timestamp not signed", "standard", `{timestamp}.{body}`, `{body}`},
	{"timestamp not told", "tarefa", `"message": "{body}"`, `"message": "{timestamp}{body}"`},
	{"timestamp nowhere", "standard", `"header": "webhook-timestamp", `, ``},
	{"timestamp in two places", "standard", `"header": "webhook-timestamp"`, `"header": "webhook-timestamp", "item": "t="`},
	{"timestamp item holds the separator", "standard", `"header": "webhook-timestamp"`, `"item": "t ="`},
	{"timestamp format", "standard", `"format": "unix"`, `"format": "epoch"`},
	{"no tolerance", "standard", `"tolerance": "5m"`, `"tolerance": "0s"`},
	{"rotation", "standard", `"rotation": "all"`, `"rotation": "both"`},
	{"all in one value", "tarefa", `"rotation": "oldest"`, `"rotation": "all"`},
	{"no schemes", "tarefa", `"schemes": [{"algorithm": "hmac-sha256", "encoding": "hex", "prefix": "sha256=", "key": {"decoding": "verbatim"}}]`, `"schemes": []`},
	{"unknown algorithm", "tarefa", `hmac-sha256`, `md5`},
	{"unknown encoding", "tarefa", `"encoding": "hex", "prefix"`, `"encoding": "HEX", "prefix"`},
	{"hash without the secret", "tarefa", `hmac-sha256`, `sha256`},
	{"secret in an HMAC's message", "tarefa", `"message": "{body}"`, `"message": "{secret}{body}"`},
	{"token over a message", "tarefa", `hmac-sha256`, `token`},
	{"prefixes alike", "standard", `"prefix": "v1a,"`, `"prefix": "v1,a"`},
	{"key prefixes alike", "standard", `"prefix": "whsk_", "public_prefix": "whpk_"`, `"prefix": "whsec_k", "public_prefix": "whpk_"`},
	{"list without prefixes", "standard", `"prefix": "v1,",`, ``},
	{"no key decoding", "tarefa", `"key": {"decoding": "verbatim"}`, `"key": {}`},
	{"Ed25519 without a public prefix", "standard", `, "public_prefix": "whpk_"`, ``},
	{"key bounds", "standard", `"max_bytes": 64`, `"max_bytes": 8`},
	{"id form", "tarefa", `"endpoint": {"form": "base32"`, `"endpoint": {"form": "ulid"`},
	{"id prefix", "tarefa", `"prefix": "wh_"`, `"prefix": "wh.\""`},
	{"secret bounds", "tarefa", `"max_length": 256`, `"max_length": 4`},
	{"few random bytes", "placaflow", `"bytes": 16`, `"bytes": 8`},
	{"secret encoding", "placaflow", `"bytes": 16, "encoding": "hex"`, `"bytes": 16, "encoding": "verbatim"`},
	{"secrets that cannot sign", "standard", `"generate": {"prefix": "whsec_"`, `"generate": {"prefix": "secret_"`},
	{"visibility", "tarefa", `"visible": "once"`, `"visible": "twice"`},
	{"jitter", "tarefa", `"jitter": 0`, `"jitter": 1.5`},
	{"wait of nothing", "tarefa", `"15m"`, `"0s"`},
	{"no timeout", "tarefa", `"connect_timeout": "5s"`, `"connect_timeout": "0s"`},
	{"success", "tarefa", `"schedule"`, `"success": ["2xx", "3yy"], "schedule"`},
	{"negative limit", "tarefa", `"rate_per_minute": 100`, `"rate_per_minute": -1`},
	{"test event's type", "tarefa", `"test": {"type": "test"`, `"test": {"type": "te st"`},
	{"test event in a flat envelope", "gabinete360", `"data": {"severity": "low", `, `"data": {"id": "low", `},
	{"event type twice", "tarefa", `"task.updated"`, `"task.created"`},
	{"example in a flat envelope", "gabinete360", `"severity": "high"`, `"eventType": "high"`},
}

func TestWrongDialects(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	for _, e := range wrongDialects {
		src := string(builtinNamed(t, e.dialect).Source())
		if n := strings.Count(src, e.old); n == 0 {
			t.Errorf("%s: %s.json does not hold %s", e.name, e.dialect, e.old)
			continue
		}
		src = strings.Replace(src, e.old, e.new, 1)
		if i := strings.IndexByte(src, 0); i >= 0 {
			src = src[:i] // cut off
		}
		d, err := ParseDialect(e.dialect+".json", []byte(src))
		var de *DialectError
		if !errors.As(err, &de) || d != nil {
			t.Errorf("%s: got %v, %v, want a DialectError", e.name, d, err)
			continue
		}
		fmt.Fprintf(&out, "%s\n  %s\n", e.name, err)
	}
	for _, src := range []string{"", "null", "[]", `"x"`, "{}", "{", strings.Repeat(" ", maxDialectFile+1)} {
		_, err := ParseDialect("x.json", []byte(src))
		fmt.Fprintf(&out, "%q\n  %v\n", src[:min(len(src), 5)], err)
	}
	golden(t, "wrong-dialects.txt", out.Bytes())
}

func TestBuiltin(t *testing.T) {
	t.Parallel()
	var names []string
	for _, d := range Builtin() {
		names = append(names, d.Ref())
		for _, e := range d.Events {
			if e.Description.English == "" || e.Description.Portuguese == "" {
				t.Errorf("%s: %s is not described in both languages", d.Name, e.Type)
			}
			if err := d.CheckEvent("1", e.Example); len(e.Example) > 0 && err != nil {
				t.Error(err)
			}
		}
		// What is shown is what can be read again.
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseDialect(d.Name, b)
		if err != nil {
			t.Fatal(err)
		}
		again.plan, again.Envelope.Shape, again.Test.Data = nil, nil, nil
		flat := *d
		flat.plan, flat.Envelope.Shape, flat.Test.Data = nil, nil, nil
		if !reflect.DeepEqual(&flat, again) {
			t.Errorf("%s is not the same when it is read again", d.Name)
		}
	}
	want := "connectvets/1 gabinete360/1 github/1 habilitar/1 placaflow/1 standard/1 stripe/1 tarefa/1"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("built in: %s, want %s", got, want)
	}
}

// What the contracts say in words, cell by cell.
func TestContractTable(t *testing.T) {
	t.Parallel()
	tarefa := builtinNamed(t, "tarefa")
	want := []Duration{Duration(time.Minute), Duration(5 * time.Minute), Duration(15 * time.Minute), Duration(time.Hour)}
	if r := tarefa.Delivery; !reflect.DeepEqual(r.Schedule, want) || r.Jitter != 0 || tarefa.Attempts() != 5 ||
		r.Connect != Duration(5*time.Second) || r.Response != Duration(30*time.Second) || r.Total != 0 ||
		r.Gone || r.RetryAfter || r.Breaker || !r.MarkExhausted || r.DisableAfter != 0 {
		t.Errorf("tarefa's deliveries: %+v", r)
	}
	if l := tarefa.Limits; l != (Limits{100, 10, true, true}) {
		t.Errorf("tarefa's limits: %+v", l)
	}
	standard := Standard()
	if standard.Attempts() != 10 || standard.Delivery.Jitter == 0 || !standard.Delivery.Gone || !standard.Delivery.RetryAfter {
		t.Errorf("standard's deliveries: %+v", standard.Delivery)
	}
	if g := builtinNamed(t, "gabinete360"); g.Delivery.Total != Duration(10*time.Second) || g.Delivery.DisableAfter != 10 {
		t.Errorf("gabinete360's deliveries: %+v", g.Delivery)
	}
	visible := map[string]Visibility{
		"standard": VisibleOnce, "gabinete360": VisibleOnce, "connectvets": VisibleOnce,
		"habilitar": VisibleAlways, "placaflow": VisibleAlways, "tarefa": VisibleOnce,
		"github": VisibleOnce, "stripe": VisibleOnce,
	}
	events := map[string]int{"gabinete360": 1, "connectvets": 3, "habilitar": 10, "placaflow": 4, "tarefa": 9}
	for _, d := range Builtin() {
		if d.Secret.Visible != visible[d.Name] || len(d.Events) != events[d.Name] || !strings.HasPrefix(d.ContentType, "application/json") {
			t.Errorf("%s: visible %s, %d events, %s", d.Name, d.Secret.Visible, len(d.Events), d.ContentType)
		}
		for status := 100; status < 600; status++ {
			if d.Acknowledged(status) != (status >= 200 && status <= 299) {
				t.Errorf("%s: %d", d.Name, status)
			}
		}
	}
}

func TestAcknowledged(t *testing.T) {
	t.Parallel()
	d, err := ParseDialect("x", bytes.Replace(Standard().Source(), []byte(`"schedule"`), []byte(`"success": ["200", "300-399", "4xx"], "schedule"`), 1))
	if err != nil {
		t.Fatal(err)
	}
	for status, want := range map[int]bool{200: true, 201: false, 299: false, 300: true, 399: true, 404: true, 500: false, 0: false} {
		if d.Acknowledged(status) != want {
			t.Errorf("%d: %v", status, !want)
		}
	}
}

func TestReservedHeader(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"x-webhook-signature": true, "X-DELIVERY-ATTEMPT": true, "webhook-id": true, "content-type": true, "Host": true,
		"content-length": true, "Authorization": false, "X-Own": false, "webhook-timestamp": false,
	} {
		if got := builtinNamed(t, "tarefa").ReservedHeader(name); got != want {
			t.Errorf("tarefa %s: %v", name, got)
		}
	}
	if !Standard().ReservedHeader("Webhook-Timestamp") {
		t.Error("standard does not reserve its timestamp")
	}
}

func TestCatalog(t *testing.T) {
	t.Parallel()
	tarefa := builtinNamed(t, "tarefa").Source()
	revision := func(n string) *fstest.MapFile {
		return &fstest.MapFile{Data: bytes.Replace(tarefa, []byte(`"revision": 1`), []byte(`"revision": `+n), 1)}
	}
	mine := &fstest.MapFile{Data: bytes.Replace(tarefa, []byte(`"name": "tarefa"`), []byte(`"name": "mine"`), 1)}
	c, err := LoadCatalog(fstest.MapFS{
		"a.json": revision("12"), "b.json": revision("3"), "mine.json": mine,
		"README.md": {Data: []byte("no dialect")}, ".hidden.json": {Data: []byte("{")}, "dir.json/x.json": {Data: []byte("{")},
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"tarefa": "tarefa/12", "tarefa/1": "tarefa/1", "tarefa/3": "tarefa/3", "mine": "mine/1", "standard": "standard/1",
		"tarefa/2": "", "tarefa/": "", "tarefa/01": "", "": "", "Tarefa": "",
	} {
		d, ok := c.Lookup(name)
		if ok != (want != "") || ok && d.Ref() != want {
			t.Errorf("%q finds %v, want %q", name, d, want)
		}
	}
	if got := c.All(); len(got) != 11 || got[len(got)-1].Ref() != "tarefa/12" {
		t.Errorf("%d dialects", len(got))
	}

	wrong := []struct {
		name  string
		files fstest.MapFS
		want  []string
	}{
		{"built in already", fstest.MapFS{"t.json": {Data: tarefa}}, []string{"t.json:3: revision: tarefa/1 exists already"}},
		{"twice", fstest.MapFS{"a.json": mine, "b.json": mine}, []string{"b.json:1: mine/1 is defined in a.json already"}},
		{"two wrong files", fstest.MapFS{"a.json": {Data: []byte("{")}, "b.json": {Data: []byte("\n\n{]")}}, []string{"a.json:1:", "b.json:3:"}},
		{"too large", fstest.MapFS{"a.json": {Data: make([]byte, maxDialectFile+1)}}, []string{"larger than 1 MiB"}},
	}
	for _, w := range wrong {
		_, err := LoadCatalog(w.files)
		for _, want := range w.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s", w.name, err, want)
			}
		}
		var de *DialectError
		if !errors.As(err, &de) {
			t.Errorf("%s: %T", w.name, err)
		}
	}
}

// The guide's file is one that works, and what it is said to send is what it sends.
func TestGuide(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../docs/dialects.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(guide), "```json\n")
	file, rest, _ := strings.Cut(rest, "```")
	d, err := ParseDialect("mine.json", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	id, _ := ParseUUID("0194758a-c938-7a11-8b22-c3d4e5f60701")
	at := time.Unix(1737201923, 0)
	m := &Message{ID: id, Type: "invoice.paid", Consumer: "acme", Time: at, Data: []byte(`{"invoice":"inv_42"}`)}
	body, err := d.AppendBody(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := d.AppendFields(nil, m, Try{Number: 1, At: at.Add(time.Second)}, body, []string{"mine_0123456789"})
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, f := range fields {
		line, _, _ := strings.Cut(f.Name+": "+f.Value, "v1=")
		want.WriteString(line)
		if f.Name == "X-Mine-Signature" {
			want.WriteString("v1=…")
		}
		want.WriteString("\n")
	}
	fmt.Fprintf(&want, "\n%s\n", body)
	if !strings.Contains(rest, want.String()) {
		t.Errorf("the guide does not show\n%s", want.String())
	}
	_, err = ParseDialect("mine.json", []byte(strings.Replace(file, `{timestamp}.{body}`, `{timestamp}`, 1)))
	if err == nil || !strings.Contains(rest, err.Error()) {
		t.Errorf("the guide does not show\n%v", err)
	}
}
