package store

import (
	"net/http"

	"github.com/malote-dev/malote/internal/lang"
)

// Advice is what probably mends a failed attempt: what to look at first. It
// is zero where nothing can be said. Status is of an attempt that got an answer.
func Advice(class Class, status int) lang.Message {
	switch class {
	case ClassStatus:
		return adviceOf(status)
	case ClassRedirect:
		return lang.Text("Redirects are never followed: set the endpoint's URL to the address that the redirect leads to.")
	case ClassTimeout:
		return lang.Text("Answer with a 2xx as soon as the webhook is in, and do the work after it: in a queue, in a job.")
	case ClassConnect, ClassReset:
		return lang.Text("Is the receiver running, and does it listen on that port? Does a firewall or a proxy before it let the connection in?")
	case ClassDNS:
		return lang.Text("Check the host name of the endpoint's URL, and the DNS records of its domain.")
	case ClassTLS:
		return lang.Text("Check the receiver's certificate: its names, its dates, and whether the server sends the whole chain.")
	case ClassProtocol:
		return lang.Text("What answers on that port does not speak HTTP: check the port, and the proxy before the receiver.")
	case ClassBlocked:
		return lang.Text("The endpoint's host resolves to an address that webhooks are never sent to: give it a public one.")
	case ClassRender:
		return lang.Text("The request could not be made of this event and this endpoint: check the endpoint's secret and headers.")
	}
	return lang.Message{}
}

func adviceOf(status int) lang.Message {
	switch {
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return lang.Text("The receiver turned the webhook away. Most often it verifies the signature with another secret than this endpoint's, or another body than the bytes that came in.")
	case status == http.StatusNotFound || status == http.StatusMethodNotAllowed:
		return lang.Text("The receiver has nothing under the endpoint's path, or does not take POST there: check the path of the URL.")
	case status == http.StatusGone:
		return lang.Text("The receiver says that it wants no more. If that is a mistake, mend it and resume the endpoint.")
	case status == http.StatusTooManyRequests:
		return lang.Text("The receiver takes fewer requests than it is sent: give the endpoint a rate limit.")
	case status == http.StatusRequestEntityTooLarge:
		return lang.Text("The receiver, or a proxy before it, refuses bodies of this size: raise its limit.")
	case status >= 500:
		return lang.Text("The receiver failed while it worked on the webhook: its own log, at that time, says why.")
	}
	return lang.Text("The receiver did not acknowledge the webhook: it has to answer with a 2xx.")
}
