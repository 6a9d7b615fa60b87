package api

// What an endpoint brings along from where it was before: the ids and addresses
// that others know it by.

import (
	"regexp"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
	"github.com/malote-dev/malote/webhook"
)

// inboundForm is what the secret of an address looks like. It is the whole key
// to the address, so a short one is refused.
const inboundForm = "^wh_[A-Za-z0-9_-]{16,128}$"

var inboundText = regexp.MustCompile(inboundForm)

// inboundSecret is that of a new endpoint's address that takes events in: the
// one that is brought along from elsewhere, or one that is made; empty where the
// contract has no such addresses. A customer brings none along: he could find
// out whether somebody else has one.
func (s *server) inboundSecret(k *store.Key, in *endpointInput, d *webhook.Dialect, errs *ingest.FieldErrors) secret.Text {
	takes := s.documented != nil && s.documented.TakesEvents(d.Name)
	switch own := in.InboundSecret; {
	case !own.given() && takes:
		return NewPathSecret()
	case !own.given():
	case !takes:
		addError(errs, "/inbound_secret", "is for contracts whose endpoints have an address that takes events in; %s has none", d.Name)
	case k.Consumer != "":
		addError(errs, "/inbound_secret", "is brought along with a key of the whole project; leave it out to have one made")
	case !inboundText.MatchString(own.Value):
		addError(errs, "/inbound_secret", "is wh_ and 16 to 128 of a-z, A-Z, 0-9, _ and -, as in the address; leave it out to have one made")
	default:
		return secret.Text(own.Value)
	}
	return ""
}

// WireIDForm is what an id that an endpoint brought along looks like.
const WireIDForm = "^[A-Za-z0-9_][A-Za-z0-9_.-]*$"

const maxWireID = 64

var wireIDText = regexp.MustCompile(WireIDForm)

// checkWireID judges the id that an endpoint goes on under.
func checkWireID(k *store.Key, in *endpointInput, d *webhook.Dialect, errs *ingest.FieldErrors) {
	switch own := in.WireID; {
	case !own.given():
	case k.Consumer != "":
		addError(errs, "/wire_id", "is brought along with a key of the whole project; leave it out")
	case in.Consumer.Value == store.SystemConsumer:
		addError(errs, "/wire_id", "is for endpoints that came from elsewhere; leave it out")
	case len(own.Value) > maxWireID || !wireIDText.MatchString(own.Value):
		addError(errs, "/wire_id", "is 1 to %d of a-z, A-Z, 0-9, _, . and -, with no . or - at its beginning, as in %s123; leave it out for an id of the server's", maxWireID, d.IDs.Endpoint.Prefix)
	}
}
