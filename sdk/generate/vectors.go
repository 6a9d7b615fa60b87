package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/malote-dev/malote/webhook"
)

// vector is one request and what every language has to say about it.
type vector struct {
	Name    string          `json:"name"`
	Dialect json.RawMessage `json:"dialect"` // a built-in one's name, or a whole file
	Headers [][2]string     `json:"headers"`
	Body    []byte          `json:"body"` // base64
	Secrets []string        `json:"secrets"`
	Now     int64           `json:"now"` // unix seconds
	OK      bool            `json:"ok"`
	Proof   webhook.Proof   `json:"proof,omitempty"`
	Cause   webhook.Cause   `json:"cause,omitempty"`
	Event   *event          `json:"event,omitempty"` // how the body is read, where it is one of the dialect
}

// event is what a receiver reads; times are in milliseconds.
type event struct {
	ID       string          `json:"id,omitempty"`
	Type     string          `json:"type,omitempty"`
	Time     int64           `json:"time,omitempty"`
	Data     json.RawMessage `json:"data"`
	Endpoint string          `json:"endpoint,omitempty"`
	Consumer string          `json:"consumer,omitempty"`
	Attempt  int             `json:"attempt,omitempty"`
}

func (v *vector) header() http.Header {
	h := http.Header{}
	for _, p := range v.Headers {
		h.Add(p[0], p[1])
	}
	return h
}

// judge fills in the verdict, which has to be the one that the case is for.
func (v *vector) judge(d *webhook.Dialect, want webhook.Cause) error {
	got := d.Verify(v.header(), v.Body, v.Secrets, time.Unix(v.Now, 0))
	if got.Cause != want || got.OK != (want == "") {
		return fmt.Errorf("%s: judged %+v, the case is for %q", v.Name, got, want)
	}
	v.OK, v.Proof, v.Cause = got.OK, got.Proof, got.Cause
	if !got.OK {
		return nil
	}
	if e, err := d.ParseEvent(v.header(), v.Body); err == nil {
		v.Event = &event{ID: e.ID, Type: e.Type, Data: e.Data, Endpoint: e.Endpoint, Consumer: e.Consumer, Attempt: e.Attempt}
		if !e.Time.IsZero() {
			v.Event.Time = e.Time.UnixMilli()
		}
	}
	return nil
}

// vectors are those that the companies and the providers publish, and those
// made here for every way in which a delivery can be wrong.
func vectors(published fs.FS) ([]byte, error) {
	var all []vector
	for _, step := range []func(fs.FS) ([]vector, error){ofCompanies, ofProviders, ofMistakes} {
		vs, err := step(published)
		if err != nil {
			return nil, err
		}
		all = append(all, vs...)
	}
	var lines []json.RawMessage
	for i := range all {
		b, err := marshal(&all[i])
		if err != nil {
			return nil, err
		}
		lines = append(lines, b)
	}
	return list(lines), nil
}

func read(fsys fs.FS, name string, v any) error {
	b, err := fs.ReadFile(fsys, name)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func named(name string) *webhook.Dialect {
	for _, d := range webhook.Builtin() {
		if d.Name == name {
			return d
		}
	}
	return nil
}

func ofCompanies(published fs.FS) ([]vector, error) {
	var in []struct{ Contract, Event, Secret, Body, Header, Value string }
	if err := read(published, "contract-vectors.json", &in); err != nil {
		return nil, err
	}
	var out []vector
	for _, c := range in {
		v := vector{
			Name: "published: " + c.Contract + " " + c.Event, Dialect: quoted(c.Contract),
			Headers: [][2]string{{c.Header, c.Value}}, Body: []byte(c.Body), Secrets: []string{c.Secret}, Now: noon.Unix(),
		}
		if err := v.judge(named(c.Contract), ""); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

func quoted(s string) json.RawMessage { return json.RawMessage(strconv.Quote(s)) }

type published struct {
	Provider, Secret, Body string
	PublicKey              string `json:"public_key"`
	Headers                map[string]string
	Header                 string `json:"expected_header_name"`
	Signature              string `json:"expected_signature"`
}

func ofProviders(fsys fs.FS) ([]vector, error) {
	var in []published
	var sections map[string]struct{ Headers, Signature json.RawMessage }
	if err := read(fsys, "provider-vectors.json", &in); err != nil {
		return nil, err
	}
	if err := read(fsys, "providers.json", &sections); err != nil {
		return nil, err
	}
	var out []vector
	for _, p := range in {
		d, file := named(strings.TrimSuffix(p.Provider, "-webhooks")), quoted(strings.TrimSuffix(p.Provider, "-webhooks"))
		if s, other := sections[p.Provider]; other {
			var err error
			if d, file, err = custom(p.Provider, s.Headers, s.Signature); err != nil {
				return nil, err
			}
		} else if p.PublicKey != "" {
			d, file = webhook.Standard(), quoted("standard")
		}
		secrets := []string{p.Secret}
		if p.PublicKey != "" {
			secrets = append(secrets, p.PublicKey)
		}
		for i, s := range secrets {
			v := vector{Name: "published: " + p.Provider, Dialect: file, Body: []byte(p.Body), Secrets: []string{s}}
			if i > 0 {
				v.Name += ", public key"
			}
			for name, value := range p.Headers {
				v.Headers = append(v.Headers, [2]string{name, value})
			}
			if len(v.Headers) > 1 {
				sortPairs(v.Headers)
			}
			v.Headers = append(v.Headers, [2]string{p.Header, p.Signature})
			v.Now = stamp(d, &v)
			if err := v.judge(d, ""); err != nil {
				return nil, err
			}
			out = append(out, v)
			v.Name, v.Body = v.Name+", another body", []byte(p.Body+"~")
			v.OK, v.Proof, v.Event = false, "", nil
			if err := v.judge(d, webhook.CauseMismatch); err != nil {
				return nil, err
			}
			out = append(out, v)
		}
	}
	return out, nil
}

// custom is the standard dialect with other headers and another signature.
func custom(name string, headers, signature json.RawMessage) (*webhook.Dialect, json.RawMessage, error) {
	var file map[string]json.RawMessage
	if err := json.Unmarshal(webhook.Standard().Source(), &file); err != nil {
		return nil, nil, err
	}
	file["name"], file["headers"], file["signature"] = quoted(name), headers, signature
	file["secret"] = json.RawMessage(`{"generate":{"prefix":"whsec_","bytes":24,"encoding":"base64"},"chosen_by_caller":true,"min_length":1,"max_length":100,"visible":"once"}`)
	b, err := marshal(file)
	if err != nil {
		return nil, nil, err
	}
	d, err := webhook.ParseDialect(name+".json", b)
	return d, b, err
}

// stamp is the time that a request says it was signed at, or noon.
func stamp(d *webhook.Dialect, v *vector) int64 {
	t := d.Signature.Timestamp
	if t == nil {
		return noon.Unix()
	}
	for _, p := range v.Headers {
		texts := []string{p[1]}
		if t.Item != "" {
			texts = strings.Split(p[1], d.Signature.Separator)
		} else if !strings.EqualFold(p[0], t.Header) {
			continue
		}
		for _, text := range texts {
			text = strings.TrimPrefix(text, t.Item)
			if n, err := strconv.ParseInt(text, 10, 64); err == nil {
				if t.Format == webhook.UnixMillis {
					n /= 1000
				}
				return n
			}
			if at, err := time.Parse(time.RFC3339, text); err == nil {
				return at.Unix()
			}
		}
	}
	return noon.Unix()
}
