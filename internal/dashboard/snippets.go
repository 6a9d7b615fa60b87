package dashboard

import (
	"net/http"
	"strconv"
	"strings"
	"text/template"
	"time"

	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/webhook"
)

// snippet is code that verifies what one dialect sends.
type snippet struct{ Language, Code string }

// scheme is what of a dialect such code is made of.
type scheme struct {
	Carrier    string // name of the header with the signature, in small letters
	Separator  string // between several in it; empty: it holds one
	Before     string // what stands before the encoded signature
	Algorithm  string // sha256, sha512 or sha1
	Encoding   string // of the signature: hex, base64 or base64url
	KeyPrefix  string // taken off the secret
	KeyCoding  string // of the rest: verbatim, hex or base64
	TimeHeader string // that the time stands in; empty: none does
	TimeItem   string // what stands before it in the carrier; empty: it does not
	Millis     bool   // it counts milliseconds
	Tolerance  int    // seconds
	Parts      []signedPart
}

// signedPart is a part of the bytes that are signed: one of these.
type signedPart struct {
	Literal, Header string
	Time, Body      bool
}

// HasTime reports whether the time of an attempt is to be checked.
func (s *scheme) HasTime() bool { return s.TimeHeader != "" || s.TimeItem != "" }

// schemeOf reads a dialect; false: it signs in a way that the code here does
// not know, so that a library is the way.
func schemeOf(d *webhook.Dialect) (*scheme, bool) {
	g := &d.Signature
	algorithms := map[webhook.Algorithm]string{webhook.HMACSHA256: "sha256", webhook.HMACSHA512: "sha512", webhook.HMACSHA1: "sha1"}
	s := &scheme{Carrier: strings.ToLower(g.Header), Separator: g.Separator}
	for _, one := range g.Schemes {
		if a := algorithms[one.Algorithm]; a != "" && s.Algorithm == "" {
			s.Algorithm, s.Encoding, s.Before = a, string(one.Encoding), one.Prefix
			s.KeyPrefix, s.KeyCoding = one.Key.Prefix, string(one.Key.Decoding)
		}
	}
	if t := g.Timestamp; t != nil {
		s.TimeHeader, s.TimeItem, s.Millis = strings.ToLower(t.Header), t.Item, t.Format == webhook.UnixMillis
		s.Tolerance = int(time.Duration(t.Tolerance) / time.Second)
		if t.Format != webhook.Unix && t.Format != webhook.UnixMillis {
			return nil, false
		}
	}
	coded := map[string]bool{"hex": true, "base64": true, "base64url": true}
	if s.Algorithm == "" || !coded[s.Encoding] || s.KeyCoding != "verbatim" && s.KeyCoding != "hex" && s.KeyCoding != "base64" {
		return nil, false
	}
	return s, s.read(g.Message)
}

// read takes the signed bytes' form apart; false: it has a hole that is not
// known here.
func (s *scheme) read(message string) bool {
	for message != "" {
		literal, rest, hole := strings.Cut(message, "{")
		if literal != "" {
			s.Parts = append(s.Parts, signedPart{Literal: literal})
		}
		if !hole {
			return true
		}
		name, after, ok := strings.Cut(rest, "}")
		header, isHeader := strings.CutPrefix(name, "header:")
		switch {
		case !ok:
			return false
		case name == "body":
			s.Parts = append(s.Parts, signedPart{Body: true})
		case name == "timestamp" && s.HasTime():
			s.Parts = append(s.Parts, signedPart{Time: true})
		case isHeader:
			s.Parts = append(s.Parts, signedPart{Header: strings.ToLower(header)})
		default:
			return false
		}
		message = after
	}
	return true
}

// snippetTexts are the programs, which a test runs.
var snippetTexts = []struct{ language, text string }{{"Node.js", nodeText}, {"Python", pythonText}, {"PHP", phpText}, {"Go", goText}}

const nodeText = `const crypto = require('node:crypto');

// headers: with names in lower case, as req.headers has them.
// raw: the bytes of the body as a Buffer, before anything reads them as JSON.
function genuine(headers, raw, secret) {
  const carried = headers[{{q .Carrier}}] || '';
{{- if .TimeHeader}}
  const time = headers[{{q .TimeHeader}}] || '';
{{- else if .TimeItem}}
  const time = (carried.split({{q .Separator}}).find((one) => one.startsWith({{q .TimeItem}})) || '').slice({{len .TimeItem}});
{{- end}}
{{- if .HasTime}}
  if (!/^\d{1,15}$/.test(time) || Math.abs(Date.now() / 1000 - Number(time){{if .Millis}} / 1000{{end}}) > {{.Tolerance}}) return false;
{{- end}}
  const key = Buffer.from(secret{{if .KeyPrefix}}.slice(secret.startsWith({{q .KeyPrefix}}) ? {{len .KeyPrefix}} : 0){{end}}, '{{if eq .KeyCoding "verbatim"}}utf8{{else}}{{.KeyCoding}}{{end}}');
  const mac = crypto.createHmac('{{.Algorithm}}', key);
{{- range .Parts}}
  mac.update({{if .Body}}raw{{else if .Time}}time{{else if .Header}}headers[{{q .Header}}] || ''{{else}}{{q .Literal}}{{end}});
{{- end}}
  const want = Buffer.from({{if .Before}}{{q .Before}} + {{end}}mac.digest('{{.Encoding}}'));
  return {{if .Separator}}carried.split({{q .Separator}}){{else}}[carried]{{end}}.some((one) => {
    const got = Buffer.from(one);
    return got.length === want.length && crypto.timingSafeEqual(got, want);
  });
}
`

const pythonText = `import base64
import hashlib
import hmac
import re
import time


def genuine(headers, raw, secret):
    """headers: with names in lower case. raw: the bytes of the body, before anything reads them as JSON."""
    carried = headers.get({{q .Carrier}}, "")
{{- if .TimeHeader}}
    sent = headers.get({{q .TimeHeader}}, "")
{{- else if .TimeItem}}
    sent = next((one[{{len .TimeItem}}:] for one in carried.split({{q .Separator}}) if one.startswith({{q .TimeItem}})), "")
{{- end}}
{{- if .HasTime}}
    if not re.fullmatch(r"[0-9]{1,15}", sent) or abs(time.time() - int(sent){{if .Millis}} / 1000{{end}}) > {{.Tolerance}}:
        return False
{{- end}}
    key = {{if eq .KeyCoding "verbatim"}}{{template "key" .}}.encode("utf-8"){{else if eq .KeyCoding "hex"}}bytes.fromhex({{template "key" .}}){{else}}base64.b64decode({{template "key" .}}){{end}}
    signed = {{range $i, $p := .Parts}}{{if $i}} + {{end}}{{if .Body}}raw{{else if .Time}}sent.encode("utf-8"){{else if .Header}}headers.get({{q .Header}}, "").encode("utf-8"){{else}}{{q .Literal}}.encode("utf-8"){{end}}{{end}}
    digest = hmac.new(key, signed, hashlib.{{.Algorithm}}).digest()
    want = {{if .Before}}{{q .Before}} + {{end}}{{if eq .Encoding "hex"}}digest.hex(){{else if eq .Encoding "base64"}}base64.b64encode(digest).decode("ascii"){{else}}base64.urlsafe_b64encode(digest).decode("ascii").rstrip("="){{end}}
    given = {{if .Separator}}carried.split({{q .Separator}}){{else}}[carried]{{end}}
    return any([hmac.compare_digest(one.encode("utf-8"), want.encode("utf-8")) for one in given])
{{define "key"}}secret{{if .KeyPrefix}}.removeprefix({{q .KeyPrefix}}){{end}}{{end}}`

const phpText = `<?php

// $headers: with names in lower case. $raw: the bytes of the body, as
// file_get_contents('php://input') gives them.
function genuine(array $headers, string $raw, string $secret): bool
{
    $carried = $headers[{{q .Carrier}}] ?? '';
{{- if .TimeHeader}}
    $time = $headers[{{q .TimeHeader}}] ?? '';
{{- else if .TimeItem}}
    $time = '';
    foreach (explode({{q .Separator}}, $carried) as $one) {
        if ($time === '' && str_starts_with($one, {{q .TimeItem}})) {
            $time = substr($one, {{len .TimeItem}});
        }
    }
{{- end}}
{{- if .HasTime}}
    if (!preg_match('/^[0-9]{1,15}$/D', $time) || abs(time() - (int) $time{{if .Millis}} / 1000{{end}}) > {{.Tolerance}}) {
        return false;
    }
{{- end}}
{{- if .KeyPrefix}}
    $secret = str_starts_with($secret, {{q .KeyPrefix}}) ? substr($secret, {{len .KeyPrefix}}) : $secret;
{{- end}}
    $key = {{if eq .KeyCoding "verbatim"}}$secret{{else if eq .KeyCoding "hex"}}hex2bin($secret){{else}}base64_decode($secret){{end}};
    $signed = {{range $i, $p := .Parts}}{{if $i}} . {{end}}{{if .Body}}$raw{{else if .Time}}$time{{else if .Header}}($headers[{{q .Header}}] ?? ''){{else}}{{q .Literal}}{{end}}{{end}};
    $digest = hash_hmac('{{.Algorithm}}', $signed, $key, true);
    $want = {{if .Before}}{{q .Before}} . {{end}}{{if eq .Encoding "hex"}}bin2hex($digest){{else if eq .Encoding "base64"}}base64_encode($digest){{else}}rtrim(strtr(base64_encode($digest), '+/', '-_'), '='){{end}};
    foreach ({{if .Separator}}explode({{q .Separator}}, $carried){{else}}[$carried]{{end}} as $one) {
        if (hash_equals($want, $one)) {
            return true;
        }
    }
    return false;
}
`

const goText = `package main

import (
	"crypto/hmac"
	"crypto/{{.Algorithm}}"
{{- if or (ne .Encoding "hex") (eq .KeyCoding "base64")}}
	"encoding/base64"
{{- end}}
{{- if or (eq .Encoding "hex") (eq .KeyCoding "hex")}}
	"encoding/hex"
{{- end}}
	"net/http"
{{- if .HasTime}}
	"strconv"
{{- end}}
{{- if or .Separator .KeyPrefix}}
	"strings"
{{- end}}
{{- if .HasTime}}
	"time"
{{- end}}
)

// genuine reports whether a webhook is. raw is the body as it was read, before
// anything decodes it.
func genuine(headers http.Header, raw []byte, secret string) bool {
	carried := headers.Get({{q .Carrier}})
{{- if .TimeHeader}}
	sent := headers.Get({{q .TimeHeader}})
{{- else if .TimeItem}}
	sent := ""
	for _, one := range strings.Split(carried, {{q .Separator}}) {
		if t, ok := strings.CutPrefix(one, {{q .TimeItem}}); ok && sent == "" {
			sent = t
		}
	}
{{- end}}
{{- if .HasTime}}
	at, err := strconv.ParseInt(sent, 10, 64)
	if err != nil || time.Since(time.Unix{{if .Millis}}Milli(at){{else}}(at, 0){{end}}).Abs() > {{.Tolerance}}*time.Second {
		return false
	}
{{- end}}
{{- if .KeyPrefix}}
	secret = strings.TrimPrefix(secret, {{q .KeyPrefix}})
{{- end}}
{{- if eq .KeyCoding "verbatim"}}
	key := []byte(secret)
{{- else}}
	key, err := {{if eq .KeyCoding "hex"}}hex.DecodeString(secret){{else}}base64.StdEncoding.DecodeString(secret){{end}}
	if err != nil || len(key) == 0 {
		return false
	}
{{- end}}
	mac := hmac.New({{.Algorithm}}.New, key)
{{- range .Parts}}
	mac.Write({{if .Body}}raw{{else if .Time}}[]byte(sent){{else if .Header}}[]byte(headers.Get({{q .Header}})){{else}}[]byte({{q .Literal}}){{end}})
{{- end}}
	want := {{if .Before}}{{q .Before}} + {{end}}{{if eq .Encoding "hex"}}hex.EncodeToString(mac.Sum(nil)){{else if eq .Encoding "base64"}}base64.StdEncoding.EncodeToString(mac.Sum(nil)){{else}}base64.RawURLEncoding.EncodeToString(mac.Sum(nil)){{end}}
{{- if .Separator}}
	for _, one := range strings.Split(carried, {{q .Separator}}) {
		if hmac.Equal([]byte(one), []byte(want)) {
			return true
		}
	}
	return false
{{- else}}
	return hmac.Equal([]byte(carried), []byte(want))
{{- end}}
}
`

// quoteFor writes a text as a literal of a language.
func quoteFor(language string) func(string) string {
	if language == "PHP" || language == "Node.js" {
		return func(s string) string { return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'" }
	}
	return strconv.Quote
}

// snippets make the code for a dialect; none where it signs in another way.
func snippets(d *webhook.Dialect) (out []snippet, err error) {
	s, ok := schemeOf(d)
	if !ok {
		return nil, nil
	}
	for _, t := range snippetTexts {
		p, err := template.New(t.language).Funcs(template.FuncMap{"q": quoteFor(t.language)}).Parse(t.text)
		if err != nil {
			return nil, err
		}
		var b strings.Builder
		if err := p.Execute(&b, s); err != nil {
			return nil, err
		}
		out = append(out, snippet{t.language, b.String()})
	}
	return out, nil
}

// verifyView is the page that says how to tell what is genuine, and of a
// request that somebody has why it is not.
type verifyView struct {
	*explainView
	Snippets  []snippet
	Endpoints []choice
	ComesFrom []string // addresses that webhooks come from; none: nobody says
}

func (v *visit) verifyPage() error {
	return v.showVerify(http.StatusOK, &explainView{}, v.r.URL.Query().Get("endpoint_id"))
}

// verifyRequest explains a request by the secrets of an endpoint, one that is
// typed, or both.
func (v *visit) verifyRequest() error {
	view := &explainView{}
	status, err := v.explained(view)
	if err != nil {
		return err
	}
	return v.showVerify(status, view, v.field("endpoint_id"))
}

func (v *visit) showVerify(status int, of *explainView, endpoint string) error {
	p, err := v.d.store.Project(v.r.Context(), v.projectID)
	if err != nil {
		return err
	}
	of.Path = v.r.URL.Path
	view := &verifyView{explainView: of}
	if d, ok := v.d.api.Dialect(p.Dialect); ok {
		if view.Snippets, err = snippets(d); err != nil {
			return err
		}
	}
	if view.Endpoints, err = v.endpointChoices(endpoint); err != nil {
		return err
	}
	if view.ComesFrom, err = v.comesFrom(); err != nil {
		return err
	}
	none := choice{"", lang.Text("none: by the secret below alone").In(v.lang), v.r.Method == http.MethodPost && endpoint == ""}
	view.Endpoints = append(view.Endpoints, none)
	return v.show(status, "verify", lang.Text("Verify"), view)
}

// comesFrom are the addresses that webhooks come from, for firewalls.
func (v *visit) comesFrom() ([]string, error) {
	a, err := read[struct {
		Addresses []string `json:"addresses"`
	}](v, ofProject, "/v1/egress-addresses", nil)
	if err != nil {
		return nil, err
	}
	return a.Addresses, nil
}
