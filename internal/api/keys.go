package api

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/malote-dev/malote/internal/ingest"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/secret"
	"github.com/malote-dev/malote/internal/store"
)

type keyInput struct {
	Name      optional[string]    `json:"name"`
	Scopes    []string            `json:"scopes"`
	Consumer  optional[string]    `json:"consumer"`
	Prefix    optional[string]    `json:"prefix"`
	Key       optional[string]    `json:"key"`
	ExpiresAt optional[time.Time] `json:"expires_at"`
}

// keyView is the one answer that shows a key.
type keyView struct {
	ID        string   `json:"id"`
	ProjectID string   `json:"project_id"`
	Name      string   `json:"name"`
	Key       string   `json:"key"`
	Prefix    string   `json:"prefix"`
	Scopes    []string `json:"scopes"`
	Consumer  *string  `json:"consumer"`
	CreatedAt stamp    `json:"created_at"`
	ExpiresAt stamp    `json:"expires_at"`
}

func (s *server) createKey(c *call, in *keyInput) (keyView, error) {
	project, err := s.pathProject(c)
	if err != nil {
		return keyView{}, err
	}
	now := time.Now()
	if err := s.checkKey(in, project, now); err != nil {
		return keyView{}, err
	}
	if err := checkGiven(c.key, in.Scopes, in.ExpiresAt.Value); err != nil {
		return keyView{}, err
	}
	kind := KeyDevelopment
	if project.Environment == store.Production {
		kind = KeyProduction
	}
	text, prefix, hash := newKey(in.Prefix.or(keyPrefix + kind + "_"))
	if in.Key.given() {
		text, prefix, hash = ownKey(in.Key.Value)
	}
	slices.Sort(in.Scopes)
	key := &store.Key{
		ProjectID: project.ID, Consumer: in.Consumer.Value, Name: in.Name.Value, Prefix: prefix,
		Scopes: slices.Compact(in.Scopes), ExpiresAt: in.ExpiresAt.Value,
	}
	view := func(k *store.Key) keyView { return viewNewKey(k, text) }
	c.before, err = s.store.CreateKeyOnce(c.r.Context(), key, hash, onceOf(c, func(k *store.Key) any { return view(k) }))
	if errors.Is(err, store.ErrConflict) {
		return keyView{}, kindConflict.say(lang.Text("this key is here already, in force or revoked")).
			fixed("A key is brought along once. Leave key out to have another one made.")
	}
	return view(key), err
}

func viewNewKey(k *store.Key, text secret.Text) keyView {
	v := keyView{
		ID: keyID.Format(k.ID), ProjectID: projectID.Format(k.ProjectID), Name: k.Name, Key: text.Reveal(), Prefix: k.Prefix,
		Scopes: k.Scopes, CreatedAt: stamp(k.CreatedAt), ExpiresAt: stamp(k.ExpiresAt),
	}
	if k.Consumer != "" {
		v.Consumer = &k.Consumer
	}
	return v
}

func (s *server) checkKey(in *keyInput, project *store.Project, now time.Time) error {
	var errs ingest.FieldErrors
	errs.AddText("/name", checkText(in.Name.Value, maxName, false))
	known := Scopes()
	if len(in.Scopes) == 0 {
		addError(&errs, "/scopes", `is missing; name what the key may do: "*" (all but keys:write), or some of %s`, strings.Join(known, ", "))
	}
	for i, sc := range in.Scopes {
		at := fmt.Sprintf("/scopes/%d", i)
		switch {
		case sc != allScopes && !slices.Contains(known, sc):
			addError(&errs, at, `is not a scope; they are "*" (all but keys:write) and %s`, strings.Join(known, ", "))
		case sc == string(eventsBroadcast) && in.Consumer.given():
			addError(&errs, at, "cannot be given to a key of one consumer: it reaches all of them")
		case slices.Contains(wholeScopes, scope(sc)) && in.Consumer.given():
			addError(&errs, at, "cannot be given to a key of one consumer: it is for those who run the product")
		}
	}
	if in.Consumer.given() {
		errs.AddText("/consumer", s.checkConsumer(project, in.Consumer.Value))
	}
	if in.Prefix.given() {
		errs.AddText("/prefix", checkKeyPrefix(in.Prefix.Value))
	}
	switch {
	case in.Key.given() && in.Prefix.given():
		addError(&errs, "/prefix", "is for a key that the server makes; leave it out, or key")
	case in.Key.given():
		errs.AddText("/key", checkOwnKey(in.Key.Value))
	}
	if in.ExpiresAt.given() && !in.ExpiresAt.Value.After(now) {
		addError(&errs, "/expires_at", "lies in the past; choose a time to come, or leave it out for a key without an end")
	}
	if len(errs) > 0 {
		return errs
	}
	return nil
}

// mayGive reports whether a key may give a scope away: whether it has it, and
// has all where it is all.
func mayGive(k *store.Key, sc string) bool {
	if sc == allScopes {
		return slices.Contains(k.Scopes, allScopes)
	}
	return hasScope(k, scope(sc))
}

// checkGiven refuses a key that may do more than the project's key that asks
// for it, or for longer.
func checkGiven(by *store.Key, scopes []string, expires time.Time) error {
	var errs ingest.FieldErrors
	for i, sc := range scopes {
		if !by.ProjectID.IsZero() && !mayGive(by, sc) {
			addError(&errs, fmt.Sprintf("/scopes/%d", i), "is more than the key that asks may do itself")
		}
	}
	if end := by.ExpiresAt; !end.IsZero() && (expires.IsZero() || expires.After(end)) {
		addError(&errs, "/expires_at", "has to be given, and to be %s at the latest: then the key that asks ends itself", end.UTC().Format(time.RFC3339))
	}
	if len(errs) > 0 {
		return kindForbidden.fields(errs).fixed("Ask for no more than the key that asks may do, or use a root key.")
	}
	return nil
}

// A key that is brought along, so that who has it goes on with it: it is kept by
// its plain hash as others are, so it has to be as hard to guess.
const (
	minOwnKey = 24 // characters
	maxOwnKey = 256
)

// ownKeyForm is what RFC 6750 lets a bearer token be.
const ownKeyForm = "^[A-Za-z0-9._~+/-]+=*$"

var ownKeyText = regexp.MustCompile(ownKeyForm)

// checkOwnKey returns what is wrong with a key that is brought along, or "".
func checkOwnKey(s string) lang.Message {
	switch {
	case ofServer(s):
		return notServers()
	case len(s) < minOwnKey || len(s) > maxOwnKey:
		return lang.Text("has %d characters; a key that is brought along has %d to %d, so that nobody guesses it", len(s), minOwnKey, maxOwnKey)
	case !ownKeyText.MatchString(s):
		return lang.Text("is no bearer token: letters, digits and . _ ~ + / -, and = at the end")
	}
	return lang.Message{}
}

// ownKey is newKey for one that is brought along. Its Prefix is a quarter of it
// at most, and what the server shows of its own.
func ownKey(key string) (text secret.Text, prefix string, hash [32]byte) {
	return secret.Text(key), key[:min(len(key)/4, maxKeyPrefix+keyShown)], HashKey(key)
}

// ofServer reports whether a text begins as the server's own keys do, in whatever case.
func ofServer(s string) bool {
	return len(s) >= len(keyPrefix) && strings.EqualFold(s[:len(keyPrefix)], keyPrefix)
}

func notServers() lang.Message {
	return lang.Text("begins with %s, which is for the server's own; leave it out for one of those", keyPrefix)
}

const maxKeyPrefix = 32 // characters

// checkKeyPrefix returns what is wrong with the beginning that a company
// wants for its keys, or "".
func checkKeyPrefix(s string) lang.Message {
	switch {
	case ofServer(s):
		return notServers()
	case len(s) < 2 || len(s) > maxKeyPrefix || s[len(s)-1] != '_':
		return lang.Text("is 2 to %d characters that end with _, as in pk_", maxKeyPrefix)
	case strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "":
		return lang.Text("may hold only the characters a-z, A-Z, 0-9 and _")
	}
	return lang.Message{}
}
