package api

import (
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/store"
)

// TestLinkPagesAreWhole: recipe and errors are in the reader's language, and
// errors are sentences.
func TestLinkPagesAreWhole(t *testing.T) {
	t.Parallel()
	st := setup(t)
	_, key := st.project("standard", store.Development)
	path := st.do(key, "POST", "/v1/endpoints/"+st.endpoint(key, "acme")+"/secret-links", nil).want(201).text("path")
	opened := st.do("", "POST", path, nil, "Accept-Language", "pt-BR").want(200)
	const recipe = "v1,base64(HMAC-SHA256(segredo sem whsec_ decodificado de base64, webhook-id.timestamp.corpo))"
	if !strings.Contains(string(opened.body), recipe) {
		t.Errorf("%s", opened.body)
	}
	for language, want := range map[string]string{"en": "<p>It was opened on ", "pt-BR": "<p>Ele foi aberto "} {
		over := st.do("", "GET", path, nil, "Accept-Language", language).want(410)
		_, text, _ := strings.Cut(string(over.body), "<p>")
		text, _, _ = strings.Cut(text, "</p>")
		if !strings.Contains(string(over.body), want) || !strings.HasSuffix(text, ".") {
			t.Errorf("%s: %s", language, over.body)
		}
	}
	for text, want := range map[string]string{"": "", "it ended": "It ended.", "é outro": "É outro.", "Done!": "Done!"} {
		if got := sentence(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
