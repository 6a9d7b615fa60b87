package documented_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// heldBody is a body that the client does not begin to send before the server
// asks for it, and by then something else has happened.
type heldBody struct {
	first func()
	rest  io.Reader
}

func (h *heldBody) Read(p []byte) (int, error) {
	if h.first != nil {
		h.first()
		h.first = nil
	}
	return h.rest.Read(p)
}

// TestAnEndedKeyDoesNothingWithALateBody: it is judged again once the body is in.
func TestAnEndedKeyDoesNothingWithALateBody(t *testing.T) {
	t.Parallel()
	st := setup(t)
	st.client.Transport = &http.Transport{ExpectContinueTimeout: time.Minute}
	project := st.project("placaflow", store.Development)
	made := st.do("POST", "/v1/projects/"+project+"/keys", st.vars["ROOT"], `{"scopes":["*"],"consumer":"c"}`).want(201)
	end := func() {
		st.do("DELETE", "/v1/projects/"+project+"/keys/"+st.text(made, "id"), st.vars["ROOT"], nil).want(200)
	}
	const body = `{"name":"n","url":"https://example.com/hook","events":["alert.triggered"]}`
	st.do("POST", "/api/webhooks", st.text(made, "key"), body).want(201)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, st.url+"/api/webhooks", &heldBody{end, strings.NewReader(body)})
	st.no(err)
	req.ContentLength = int64(len(body))
	req.Header.Set("Authorization", "Bearer "+st.text(made, "key"))
	req.Header.Set("Expect", "100-continue")
	resp, err := st.client.Do(req)
	st.no(err)
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusUnauthorized {
		text, _ := io.ReadAll(resp.Body)
		t.Errorf("%d: %s", resp.StatusCode, text)
	}
}
