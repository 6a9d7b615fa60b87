package api

import (
	_ "embed" // the examples of answers
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"sync"

	"github.com/malote-dev/malote/internal/store"
)

// The answers of docs/api.md by method, pattern and status: a test takes them
// from there, and another holds each against what the server answers.
//
//go:embed openapi_answers.json
var answersText []byte

var answersOfDocs = sync.OnceValues(func() (answers map[string]json.RawMessage, err error) {
	err = json.Unmarshal(answersText, &answers)
	return answers, err
})

// answerKey is what an answer stands under.
func answerKey(method, pattern string, status int) string {
	return method + " " + pattern + " " + strconv.Itoa(status)
}

// exampleAnswer is what a route answers, for example; nil: nobody wrote it down.
func (b *documenter) exampleAnswer(rt *route, status int) any {
	answers, err := answersOfDocs()
	if err != nil {
		return nil
	}
	if a, ok := answers[answerKey(rt.method, rt.pattern, status)]; ok {
		return a
	}
	for _, other := range b.routes { // that answers with the same
		if other.out == rt.out && reflect.TypeFor[deleted]() != rt.out {
			if a, ok := answers[answerKey(other.method, other.pattern, status)]; ok {
				return a
			}
		}
	}
	if rt.out == reflect.TypeFor[deleted]() {
		return deleted{Deleted: true, InFlight: new(int)}
	}
	return nil
}

// exampleProblem is one of the problems with a status; nil: there is none.
func exampleProblem(status int) any {
	p := map[int]*problem{
		http.StatusBadRequest:            parameter("limit", "is not a whole number from 1 to %d", maxLimit),
		http.StatusUnauthorized:          unauthenticated(kindKeyMissing, "the request carries no key"),
		http.StatusForbidden:             kindForbidden.problemf("this route needs a key with the scope %s", endpointsWrite),
		http.StatusNotFound:              asProblem(store.ErrNotFound),
		http.StatusRequestTimeout:        kindTimeout.problem("the body did not arrive within the server's time limit"),
		http.StatusConflict:              kindKeyReused.problem("this Idempotency-Key was used with another request within the last 24 hours; nothing was made"),
		http.StatusRequestEntityTooLarge: bodyTooLarge(smallBody),
		http.StatusUnsupportedMediaType:  kindMedia.problem("the body is sent with Content-Encoding, which this server does not take off"),
		http.StatusUnprocessableEntity:   field("/url", "is missing; send the URL that deliveries are POSTed to, as in https://example.com/webhooks"),
		http.StatusTooManyRequests:       kindTooMany.problem("an endpoint takes one test a second"),
		http.StatusInternalServerError:   kindInternal.problem("something unexpected went wrong; the log of the server says what"),
		http.StatusServiceUnavailable:    asProblem(store.ErrFull),
	}[status]
	if p == nil {
		return nil
	}
	p.RequestID = "req_01m814a1bae0080c3d4e5f6g7h"
	return p
}
