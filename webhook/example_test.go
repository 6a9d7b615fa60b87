package webhook_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// A receiver: the secret, and what to do with an event. What nobody signed
// does not get there.
func ExampleReceiver() {
	hook := &webhook.Receiver{
		Secrets: []string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"},
		Handle: func(ctx context.Context, e *webhook.Event) error {
			fmt.Println(e.ID, e.Type, string(e.Data))
			return nil // an error makes the sender try again
		},
		Logger: slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime})),
	}
	mux := http.NewServeMux()
	mux.Handle("/webhooks", hook)
	// http.ListenAndServe(":8080", mux)

	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/webhooks", strings.NewReader(`{"type":"forged"}`)))
	fmt.Println(w.Code, w.Body)
	// Output:
	// level=WARN msg="webhook: refused" cause=missing_header detail="the header webhook-signature is missing"
	// 401 {"error":"Invalid signature"}
}

func withoutTime(_ []string, a slog.Attr) slog.Attr {
	if a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// Send a webhook in the dialect of Standard Webhooks, and take it in.
func Example() {
	secret := "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	srv := httptest.NewServer(&webhook.Receiver{
		Secrets: []string{secret},
		Handle: func(ctx context.Context, e *webhook.Event) error {
			fmt.Println(e.ID, e.Type, string(e.Data))
			return nil
		},
	})
	defer srv.Close()

	id, _ := webhook.ParseUUID("0194758a-c938-7a11-8b22-c3d4e5f60701")
	header, body, err := webhook.Standard().Sign(&webhook.Message{
		ID: id, Type: "invoice.paid", Time: time.Now(), Data: []byte(`{"amount": 10.00}`),
	}, webhook.Try{}, secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	req, _ := http.NewRequest(http.MethodPost, srv.URL, bytes.NewReader(body))
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(resp.Status)
	// Output:
	// evt_01jhtrnj9rf88rp8p3tkjzc1r1 invoice.paid {"amount": 10.00}
	// 200 OK
}

// Sending and receiving in the contract of a company: tarefa's, which is found
// by its name.
func ExampleCatalog_Lookup() {
	catalog, err := webhook.NewCatalog()
	if err != nil {
		fmt.Println(err)
		return
	}
	tarefa, ok := catalog.Lookup("tarefa")
	if !ok {
		fmt.Println("no such dialect")
		return
	}
	const secret = "whsec_abc123def456"
	srv := httptest.NewServer(&webhook.Receiver{
		Dialect: tarefa,
		Secrets: []string{secret},
		Handle: func(_ context.Context, e *webhook.Event) error {
			fmt.Println(e.Type, e.Consumer, string(e.Data))
			return nil
		},
	})
	defer srv.Close()

	header, body, err := tarefa.Sign(&webhook.Message{
		ID: webhook.NewID(), Endpoint: webhook.NewID(), Delivery: webhook.NewID(),
		Type: "task.created", Time: time.Now(), Consumer: "42", Data: []byte(`{"title": "Comprar papel"}`),
	}, webhook.Try{}, secret)
	if err != nil {
		fmt.Println(err)
		return
	}
	req, _ := http.NewRequest(http.MethodPost, srv.URL, bytes.NewReader(body))
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	fmt.Println(resp.Status, strings.HasPrefix(header.Get("X-Webhook-Signature"), "sha256="))
	// Output:
	// task.created 42 {"title": "Comprar papel"}
	// 200 OK true
}

// Every dialect that comes with the package.
func ExampleBuiltin() {
	for _, d := range webhook.Builtin() {
		fmt.Println(d.Ref())
	}
	// Output:
	// connectvets/1
	// gabinete360/1
	// github/1
	// habilitar/1
	// placaflow/1
	// standard/1
	// stripe/1
	// tarefa/1
}

// Verification says what is wrong.
func ExampleDialect_Verify() {
	var tarefa *webhook.Dialect
	for _, d := range webhook.Builtin() {
		if d.Name == "tarefa" {
			tarefa = d
		}
	}
	header, body, _ := tarefa.Sign(&webhook.Message{Type: "test", Data: []byte(`{"a":1}`), Consumer: "7"}, webhook.Try{}, "whsec_abc123def456")

	fmt.Println(tarefa.Verify(header, body, []string{"whsec_abc123def456"}, time.Now()).OK)

	parsedAndWrittenAgain := bytes.ReplaceAll(body, []byte(","), []byte(", "))
	verdict := tarefa.Verify(header, parsedAndWrittenAgain, []string{"whsec_abc123def456"}, time.Now())
	fmt.Println(verdict.OK, verdict.Cause)
	// Output:
	// true
	// false body_changed
}

// A dialect of one's own.
func ExampleParseDialect() {
	_, err := webhook.ParseDialect("mine.json", []byte("{\n  \"name\": \"mine\",\n  \"revison\": 1\n}"))
	fmt.Println(err.Error()[:45])

	catalog, err := webhook.LoadCatalog(os.DirFS("testdata/operator"))
	if err != nil {
		fmt.Println(err)
		return
	}
	d, _ := catalog.Lookup("mine")
	fmt.Println(d.Ref(), d.Attempts(), "attempts")
	// Output:
	// mine.json:3: unknown field "revison"; here ma
	// mine/1 3 attempts
}
