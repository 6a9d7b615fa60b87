package api

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

// scope is what a route asks of a key.
type scope string

// The scopes of keys. public, root and anyKey are not given to keys: a public
// route takes no key, a root route takes a root key, and anyKey is any of
// those in force, portal sessions too.
const (
	public scope = "public"
	root   scope = "root"
	anyKey scope = "any"

	consumersRead   scope = "consumers:read"
	consumersWrite  scope = "consumers:write"
	endpointsRead   scope = "endpoints:read"
	endpointsWrite  scope = "endpoints:write"
	eventsRead      scope = "events:read"
	eventsWrite     scope = "events:write"
	eventsBroadcast scope = "events:broadcast"
	deliveriesRead  scope = "deliveries:read"
	deliveriesWrite scope = "deliveries:write"
	auditRead       scope = "audit:read"
	keysRead        scope = "keys:read"
	keysWrite       scope = "keys:write"
	portalRead      scope = "portal:read"
	portalWrite     scope = "portal:write"
	linksRead       scope = "links:read"
	linksWrite      scope = "links:write"
	eventTypesRead  scope = "event_types:read"
	eventTypesWrite scope = "event_types:write"
	inspectorsRead  scope = "inspectors:read"
	inspectorsWrite scope = "inspectors:write"

	// Of the companies' own APIs.
	webhooksRead  scope = WebhooksRead
	webhooksWrite scope = WebhooksWrite
)

// The scopes of the companies' own APIs.
const (
	WebhooksRead  = "webhooks:read"
	WebhooksWrite = "webhooks:write"
)

// Scopes lists what a project's key can be allowed to do; "*" is all of it but
// keys:write, which has to be named: who makes keys stays after his own is gone.
func Scopes() []string {
	all := []scope{consumersRead, consumersWrite, endpointsRead, endpointsWrite, eventsRead, eventsWrite, eventsBroadcast, deliveriesRead, deliveriesWrite, auditRead, eventTypesRead, eventTypesWrite,
		keysRead, keysWrite, portalRead, portalWrite, linksRead, linksWrite, inspectorsRead, inspectorsWrite, webhooksRead, webhooksWrite}
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = string(s)
	}
	return out
}

// wholeScopes are of no use to a key of one consumer: its routes take a key of
// the whole project.
var wholeScopes = []scope{keysRead, keysWrite, portalRead, portalWrite, linksRead, linksWrite, inspectorsRead, inspectorsWrite}

// keyPrefix begins every key, so that people and scanners recognise one.
const (
	keyPrefix    = "mlt_"
	portalPrefix = keyPrefix + keyPortal + "_"
)

// Kinds of keys, the part of the text after keyPrefix.
const (
	KeyRoot        = "root"
	KeyProduction  = "prod"
	KeyDevelopment = "dev"
	keyPortal      = "portal" // of portal sessions: no keys, and looked up elsewhere
	keyLink        = "link"   // of one-time links, in their addresses
	keyDoor        = "open"   // of one-time links to the portal, likewise
)

const (
	keyRandom = 32 // characters: 160 bits
	keySum    = 7  // characters: CRC-32, so that a mistyped key is known without asking the store
	keyShown  = 4  // random characters in a key's Prefix
)

var keyEncoding = base32.NewEncoding("0123456789abcdefghjkmnpqrstvwxyz").WithPadding(base32.NoPadding)

// NewKey makes a bearer key of a kind: its text, the prefix that it can be
// recognised by, and the hash that the store keeps.
func NewKey(kind string) (text secret.Text, prefix string, hash [32]byte) {
	return newKey(keyPrefix + kind + "_")
}

// newKey makes a key that begins with a prefix.
func newKey(begin string) (text secret.Text, prefix string, hash [32]byte) {
	random := make([]byte, 20)
	rand.Read(random) // never fails
	body := begin + keyEncoding.EncodeToString(random)
	full := body + checksum(body)
	return secret.Text(full), body[:len(body)-keyRandom+keyShown], HashKey(full)
}

// NewPortalCookie makes the token that a browser keeps for a portal session
// that was opened with its one-time link: to the API it is the session's.
func NewPortalCookie() (text secret.Text, hash [32]byte) {
	text, _, hash = newKey(portalPrefix)
	return text, hash
}

// HashKey is what the store knows a key by. A key has 160 random bits: a plain
// hash is as hard to turn back as the key is to guess.
func HashKey(text string) [32]byte {
	return sha256.Sum256(append(make([]byte, 0, 64), text...)) // a key's length: no allocation
}

func checksum(body string) string {
	crc := crc32.ChecksumIEEE(append(make([]byte, 0, 64), body...))
	var sum [4]byte
	binary.BigEndian.PutUint32(sum[:], crc)
	var text [keySum]byte
	keyEncoding.Encode(text[:], sum[:])
	return string(text[:])
}

// mistyped reports whether a text looks like a key of this server and is none.
func mistyped(text string) bool {
	if !strings.HasPrefix(text, keyPrefix) {
		return false // another form of key; the store knows
	}
	return len(text) <= keySum || checksum(text[:len(text)-keySum]) != text[len(text)-keySum:]
}

// authenticate finds the key of a request and asks whether it may use the route.
func (s *server) authenticate(c *call) error {
	if c.route.scope == public {
		return nil
	}
	if c.asked != nil {
		return c.authorizeAsked()
	}
	text, err := bearer(c.r.Header["Authorization"])
	if err != nil {
		return err
	}
	c.shareable(text)
	if mistyped(text) {
		return unauthenticated(kindKeyWrong, "the key is not whole: its checksum does not fit")
	}
	c.keyHash, c.portal = HashKey(text), strings.HasPrefix(text, portalPrefix)
	if err := s.findKey(c); err != nil {
		return err
	}
	return authorize(c.key, c.route)
}

func (s *server) findKey(c *call) error {
	c.access = s.store.Access()
	if c.portal {
		return s.findSession(c)
	}
	var key *store.Key
	var err error
	if c.route.scope == eventsWrite { // what ended is found when the event is kept
		key, err = s.store.KeyByHash(c.r.Context(), c.keyHash, time.Now())
	} else {
		key, err = s.store.KeyInForce(c.r.Context(), c.keyHash, time.Now())
	}
	if errors.Is(err, store.ErrNotFound) {
		return unauthenticated(kindKeyWrong, "this server knows no such key, or it has expired or was revoked")
	}
	if err != nil {
		return err
	}
	c.key = key
	return nil
}

// recheck asks again whether the key of a request is in force: configuration
// moved while its events were matched.
func (s *server) recheck(c *call) func(context.Context) error {
	return func(context.Context) error { return s.rejudge(c) }
}

// rejudge asks again whether the key of a request is in force and may use the route.
func (s *server) rejudge(c *call) error {
	if c.asked != nil { // the store judges the session with the write
		return nil
	}
	if err := s.findKey(c); err != nil {
		return err
	}
	return authorize(c.key, c.route)
}

func bearer(values []string) (string, error) {
	switch {
	case len(values) == 0:
		return "", unauthenticated(kindKeyMissing, "the request carries no key")
	case len(values) > 1:
		return "", unauthenticated(kindKeyWrong, "the request carries the header Authorization more than once")
	}
	kind, text, ok := strings.Cut(values[0], " ")
	if !ok || !strings.EqualFold(kind, "Bearer") {
		return "", unauthenticated(kindKeyMissing, "the header Authorization is not of the form: Bearer mlt_…")
	}
	return strings.TrimSpace(text), nil
}

func unauthenticated(k kind, detail lang.Format) *problem {
	return k.problem(detail).with("WWW-Authenticate", `Bearer realm="malote"`)
}

func authorize(k *store.Key, rt *route) error {
	need, isRoot := rt.scope, k.ProjectID.IsZero()
	switch {
	case need == anyKey, isRoot && rt.root:
		return nil
	case need == root && isRoot:
		return nil
	case need == root:
		return kindForbidden.problem("this route takes a root key, and the key belongs to a project").
			fixed("Use a root key; whoever runs the server makes one with `malote key root`.")
	case isRoot:
		return kindForbidden.problemf("a root key manages projects and their keys only; this route needs a project's key with the scope %s", need).
			fixed("Make a key for the project: POST /v1/projects/{id}/keys.")
	case k.Portal != "" && (!hasScope(k, need) || rt.whole):
		return kindForbidden.problemf("this route is not for a portal session with the access %s", string(k.Portal)).
			fixed("A session that was made with \"access\":\"manage\" may change its consumer's endpoints; everything else takes a key.")
	case !hasScope(k, need):
		return kindForbidden.problemf("this route needs a key with the scope %s", need)
	case rt.whole && k.Consumer != "":
		return kindForbidden.problem("this route takes a key of the whole project, and the key acts for one consumer").
			fixed("Use a key of the project that is bound to no consumer.")
	}
	return nil
}

// allScopes is the scope that stands for all of them but keysWrite.
const allScopes = "*"

func hasScope(k *store.Key, need scope) bool {
	return slices.Contains(k.Scopes, string(need)) || need != keysWrite && slices.Contains(k.Scopes, allScopes)
}

// mayAct reports whether the key may act for a consumer: a key of the whole
// project for any, a key of one consumer for that one.
func mayAct(k *store.Key, consumer string) bool { return k.Consumer == "" || k.Consumer == consumer }

// maySee reports whether the key may see what a consumer got at a time: not
// what was an earlier consumer's of the same uid.
func maySee(k *store.Key, consumer string, at time.Time) bool {
	return mayAct(k, consumer) && !at.Before(k.Since)
}

// seenFrom is the time from which on the key may see, or a later one that it asked for.
func seenFrom(k *store.Key, asked time.Time) time.Time {
	if asked.Before(k.Since) {
		return k.Since
	}
	return asked
}
