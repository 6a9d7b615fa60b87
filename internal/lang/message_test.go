package lang_test

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/lang"
)

func TestAccepted(t *testing.T) {
	t.Parallel()
	for header, want := range map[string]lang.Language{
		"":                                lang.English,
		"*":                               lang.English,
		"en":                              lang.English,
		"de":                              lang.English,
		"pt":                              lang.Portuguese,
		"pt-BR":                           lang.Portuguese,
		"PT-br":                           lang.Portuguese,
		"pt-PT":                           lang.Portuguese,
		"pt-BR,pt;q=0.9,en;q=0.8":         lang.Portuguese,
		"en;q=0.8, pt;q=0.9":              lang.Portuguese,
		"en;q=0.9, pt;q=0.8":              lang.English,
		"en, pt":                          lang.English,
		"pt, en":                          lang.Portuguese,
		"fr, pt;q=0.1":                    lang.Portuguese,
		"fr, *;q=0.5, pt;q=0.1":           lang.English,
		"pt;q=0, en":                      lang.English,
		"pt;q=0":                          lang.English,
		"apt-BR":                          lang.English,
		"pt;q=x":                          lang.English,
		"pt\x00":                          lang.English,
		"pt," + strings.Repeat("-", 600):  lang.Portuguese,
		strings.Repeat("fr,", 200) + "pt": lang.English, // past the limit
	} {
		if got := lang.Accepted([]string{header}); got != want {
			t.Errorf("%q: %s", header[:min(len(header), 40)], got.Tag())
		}
	}
	if lang.Accepted(nil) != lang.English || lang.Accepted([]string{"en;q=0.1", "pt"}) != lang.Portuguese {
		t.Error("no line, or two of them")
	}
}

func TestMessages(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		m                   lang.Message
		english, portuguese string
	}{
		{lang.Message{}, "", ""},
		{lang.Text("No key"), "No key", "Sem chave"},
		{lang.Text("is %s; send %s", lang.Text("a number"), lang.Text("a string")), "is a number; send a string", "é um número; envie uma string"},
		{lang.Text("use \"/\", or %%5C if it is meant"), `use "/", or %5C if it is meant`, `use "/", ou %5C se for intencional`},
		{lang.Count(0, "%d header", "%d headers"), "0 headers", "0 cabeçalho"},
		{lang.Count(1, "%d header", "%d headers"), "1 header", "1 cabeçalho"},
		{lang.Count(2, "%d header", "%d headers"), "2 headers", "2 cabeçalhos"},
		{lang.Count(int64(10_000_001), "%d header", "%d headers"), "10000001 headers", "10000001 cabeçalhos"},
		{lang.Count(-1, "%d header", "%d headers"), "-1 header", "-1 cabeçalho"},
		{lang.Count(1, "the event was not kept: %[2]s", "none of the %d events was kept; the first: %s", lang.Text("is missing")), "the event was not kept: is missing", "o evento não foi guardado: não foi informado"},
		{lang.List("/a", lang.Text("the body"), 3), "/a, the body, 3", "/a, o corpo, 3"},
		{lang.Text("this was never translated: %d", 7), "this was never translated: 7", "this was never translated: 7"},
		{lang.Recall(""), "", ""},
		{lang.Recall("what nobody kept, 100 %d"), "what nobody kept, 100 %d", "what nobody kept, 100 %d"},
		{lang.Recall("endpoint disabled: 3 deliveries in a row used up their attempts"), "endpoint disabled: 3 deliveries in a row used up their attempts", "endpoint desativado: 3 entregas seguidas esgotaram as tentativas"},
		{
			lang.Recall("no connection within 5s: the server does not answer, or a firewall drops the packets (3 addresses tried)"),
			"no connection within 5s: the server does not answer, or a firewall drops the packets (3 addresses tried)",
			"sem conexão em 5s: o servidor não responde, ou um firewall descarta os pacotes (3 endereços tentados)",
		},
		{
			lang.Recall("x.example.com resolves to 10.0.0.1, a private address; connections to it are refused"),
			"x.example.com resolves to 10.0.0.1, a private address; connections to it are refused",
			"x.example.com resolve para 10.0.0.1, um endereço privado; conexões para ele são recusadas",
		},
		{
			lang.Recall("the body cannot be made: /data: the envelope is flat, so the data must be a JSON object"),
			"the body cannot be made: /data: the envelope is flat, so the data must be a JSON object",
			"não foi possível montar o corpo: /data: o envelope é plano, então os dados precisam ser um objeto JSON",
		},
		{
			lang.Recall("consumer the secret %s has no endpoints"), // a uid has no spaces, but nothing breaks where one has
			"consumer the secret %s has no endpoints",
			"o consumidor o segredo %s não tem endpoints",
		},
	} {
		if got := c.m.String(); got != c.english {
			t.Errorf("got  %s\nwant %s", got, c.english)
		}
		if got := c.m.In(lang.Portuguese); got != c.portuguese {
			t.Errorf("got  %s\nwant %s", got, c.portuguese)
		}
	}
}

// TestKeptTextsAreKnownAgain: each with arguments, as it would be read.
func TestKeptTextsAreKnownAgain(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("pt-BR.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Kept map[lang.Format]translation }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for f, tr := range file.Kept {
		kinds := arguments(f)
		args := make([]any, len(kinds))
		for i := range args {
			switch kinds[i] {
			case 'd':
				args[i] = 40 + i
			case 'q':
				args[i] = fmt.Sprintf("a \"%d\"", i)
			default:
				args[i] = fmt.Sprintf("x%d.example.com", i)
			}
		}
		want := fmt.Sprintf(tr.Other, args...)
		if got := lang.Recall(lang.Keep(lang.Kept(f), args...)).In(lang.Portuguese); got != want {
			t.Errorf("%q:\n got %s\nwant %s", f, got, want)
		}
	}
}

func FuzzRecall(f *testing.F) {
	f.Add("endpoint disabled: x")
	f.Add("/a: is empty")
	f.Add("a (3 addresses tried) (4 addresses tried)")
	f.Fuzz(func(t *testing.T, text string) {
		if got := lang.Recall(text).String(); got != text {
			t.Errorf("%q became %q in English", text, got)
		}
		if got := lang.Recall(text).In(lang.Portuguese); strings.Contains(got, "%!") && !strings.Contains(text, "%!") {
			t.Errorf("%q: %q", text, got)
		}
	})
}
