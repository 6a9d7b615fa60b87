package acceptance

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/bench/rig"
)

// delivery as the API shows it.
type delivery struct {
	ID       string     `json:"id"`
	EventID  string     `json:"event_id"`
	State    string     `json:"state"`
	Attempts int        `json:"attempts"`
	DueAt    *time.Time `json:"next_due_at"`
}

// attempt as the API shows it.
type attempt struct {
	Number int       `json:"number"`
	At     time.Time `json:"at"`
	Error  struct {
		Class  string `json:"class"`
		Detail string `json:"detail"`
	} `json:"error"`
	Request  message `json:"request"`
	Response message `json:"response"`
}

// message is a request or an answer as it is shown.
type message struct {
	Status  int    `json:"status"`
	Line    string `json:"line"`
	Body    string `json:"body"`
	Headers []struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	} `json:"headers"`
}

// onlyDelivery is the id of an event's one delivery.
func onlyDelivery(t *testing.T, api *rig.API, event string) string {
	t.Helper()
	var page struct {
		Data []delivery `json:"data"`
	}
	if err := api.Do(t.Context(), http.MethodGet, "/v1/deliveries?event_id="+event, nil, &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Data) != 1 {
		t.Fatalf("event %s has %d deliveries", event, len(page.Data))
	}
	return page.Data[0].ID
}

func getDelivery(t *testing.T, api *rig.API, id string) (d delivery) {
	t.Helper()
	if err := api.Do(t.Context(), http.MethodGet, "/v1/deliveries/"+id, nil, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// awaitAttempt waits until the attempt of that number is kept.
func awaitAttempt(t *testing.T, api *rig.API, delivery string, number int) *attempt {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		var page struct {
			Data []*attempt `json:"data"`
		}
		if err := api.Do(t.Context(), http.MethodGet, "/v1/deliveries/"+delivery+"/attempts", nil, &page); err != nil {
			t.Fatal(err)
		}
		for _, a := range page.Data {
			if a.Number == number {
				return a
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("attempt %d of %s is not shown", number, delivery)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// refused wants an error that says what is wrong: the status (0: any 4xx), a
// problem document, and every word in it.
func refused(t *testing.T, ans *rig.Answer, status int, words ...string) {
	t.Helper()
	for _, what := range unclear(ans, status, words...) {
		t.Error(what)
	}
}

// unclear is what an error lacks.
func unclear(ans *rig.Answer, status int, words ...string) (out []string) {
	if status == 0 && ans.Status/100 != 4 || status != 0 && ans.Status != status {
		out = append(out, fmt.Sprintf("answer %d, want %d: %s", ans.Status, status, ans.Body))
	}
	if ct := ans.Header.Get("Content-Type"); ct != "application/problem+json" {
		out = append(out, fmt.Sprintf("Content-Type %q of an error", ct))
	}
	for _, w := range words {
		if !strings.Contains(strings.ToLower(string(ans.Body)), strings.ToLower(w)) {
			out = append(out, fmt.Sprintf("the error does not name %q: %s", w, ans.Body))
		}
	}
	return out
}

func mustDecode(t *testing.T, ans *rig.Answer, status int, into any) {
	t.Helper()
	if ans.Status != status {
		t.Fatalf("answer %d, want %d: %s", ans.Status, status, ans.Body)
	}
	if err := json.Unmarshal(ans.Body, into); err != nil {
		t.Fatalf("%v in %s", err, ans.Body)
	}
}
