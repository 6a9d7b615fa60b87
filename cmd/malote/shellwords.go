package main

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"
)

// asked is the command that runs, by what it takes: the API speaks of fields
// and routes, and is read by somebody who wrote options.
type asked struct {
	flags       map[string]bool
	positionals map[string]string // their values
}

func askedOf(ctx *kong.Context) *asked {
	a := &asked{flags: map[string]bool{}, positionals: map[string]string{}}
	node := ctx.Selected()
	if node == nil {
		return a
	}
	for _, f := range node.Flags {
		a.flags[f.Name] = !slices.Contains([]string{"url", "key", "json"}, f.Name) // these say how to reach the server
	}
	for _, p := range node.Positional {
		a.positionals[p.Name] = ""
		if v := ctx.Value(&kong.Path{Positional: p}); v.IsValid() && v.Kind() == reflect.String {
			a.positionals[p.Name] = v.String()
		}
	}
	return a
}

// settersOf are the options that set a field, where they are not called as it is.
var settersOf = map[string][]string{
	"endpoint_id": {"endpoint"}, "event_id": {"event"}, "url": {"to", "endpoint-for"}, "from": {"from", "since"}, "kind": {"missed"}, "openapi": {"document"},
	"headers": {"header"}, "emails": {"email"}, "examples": {"example"}, "secret_type": {"ed25519"}, "secret_overlap": {"secret-overlap", "overlap"},
	"enabled": {"paused"}, "expires_at": {"expires"}, "expires_in": {"expires"}, "access": {"manage"}, "Idempotency-Key": {"idempotency-key"},
	"auth/username": {"auth-basic"}, "auth/password": {"auth-basic"}, "auth/token": {"auth-bearer"}, "auth/certificate": {"client-cert"}, "auth/private_key": {"client-key"},
	"consumer": {"consumer", "uid", "endpoint-for"}, "interval": {"days"}, "answer/headers": {"header"}, "answer/delay_ms": {"delay"}, "answer/body_encoding": {"body"},
}

// option is what sets a field of the API: "--endpoint", or "<type>". Fields
// that no option sets keep their name.
func (a *asked) option(field string) string {
	if name := a.setter(field); name != "" {
		return name
	}
	return field
}

// setter is the option or the argument that sets a field; empty: none does.
func (a *asked) setter(field string) string {
	if a == nil {
		return ""
	}
	for _, name := range append(settersOf[field], strings.ReplaceAll(field, "_", "-")) {
		if a.flags[name] {
			return "--" + name
		}
		if _, ok := a.positionals[name]; ok {
			return "<" + name + ">"
		}
	}
	return ""
}

// place is where something is wrong, as somebody reads it who wrote options:
// "/a/1" is "--a, item 2", and "/answer/status" is "--status".
func (a *asked) place(pointer string) string {
	whole := strings.TrimPrefix(pointer, "/")
	for at := whole; at != ""; at = at[:max(0, strings.LastIndexByte(at, '/'))] {
		if name := a.setter(at); name != "" {
			return name + within(whole[len(at):])
		}
	}
	for _, member := range strings.Split(whole, "/")[1:] { // no option sets what it is a part of
		if name := a.setter(member); name != "" {
			_, below, _ := strings.Cut(whole, "/"+member)
			return name + within(below)
		}
	}
	field, below, ok := strings.Cut(whole, "/")
	if !ok {
		return field
	}
	return field + within("/"+below)
}

// within says which part of an option's value it is; empty: all of it.
func within(below string) string {
	below = strings.TrimPrefix(below, "/")
	if below == "" {
		return ""
	}
	at, rest, _ := strings.Cut(below, "/")
	if n, err := strconv.Atoi(at); err == nil && rest == "" {
		return ", item " + strconv.Itoa(n+1)
	}
	return " at /" + below
}

// inShell are requests of the API as commands, the longer before the shorter.
// $id is the endpoint that the command names.
var inShell = []struct {
	request *regexp.Regexp
	command string
}{
	{regexp.MustCompile(`PATCH /v1/endpoints/\{id\} with \{"secret":null,"secret_overlap":0\}`), "`malote endpoint rotate ID --overlap 0`"},
	{regexp.MustCompile(`PATCH with \{"secret_overlap": 0\}`), "`malote endpoint update $id --secret-overlap 0`"},
	{regexp.MustCompile(`POST /v1/endpoints/\{id\}/resume`), "`malote endpoint resume $id`"},
	{regexp.MustCompile(`GET /v1/endpoints/\{id\}/secret-links`), "`malote link list`"},
	{regexp.MustCompile(`DELETE /v1/endpoints/\{id\}/secret-links/\{link\}`), "`malote link revoke`"},
	{regexp.MustCompile(`GET /v1/projects/\{id\}/keys`), "`malote key list`"},
	{regexp.MustCompile(`POST /v1/projects/\{id\}/keys`), "`malote key create`"},
	{regexp.MustCompile(`GET /v1/projects`), "`malote project list`"},
	{regexp.MustCompile(`GET /v1/keys`), "`malote key list --root`"},
	{regexp.MustCompile(`POST /v1/keys`), "`malote key create --root`"},
	{regexp.MustCompile(`GET /v1/consumers/\{uid\}/portal-sessions`), "`malote portal list`"},
	{regexp.MustCompile(`POST /v1/consumers/\{uid\}/portal-sessions`), "`malote portal create`"},
	{regexp.MustCompile(`DELETE /v1/consumers/\{uid\}/portal-sessions`), "`malote portal end`"},
	{regexp.MustCompile(`DELETE /v1/consumers/\{uid\}`), "`malote consumer delete`"},
	{regexp.MustCompile(`GET /v1/event-types\?source=server`), "`malote event-type list --source server`"},
	{regexp.MustCompile(`GET /v1/event-types/\{name\}`), "`malote event-type show`"},
	{regexp.MustCompile(`GET /v1/event-types`), "`malote event-type list`"},
	{regexp.MustCompile(`POST /v1/event-types`), "`malote event-type create`"},
	{regexp.MustCompile(`PATCH /v1/event-types/(\S+) with \{"deprecated":true\}`), "`malote event-type update $1 --deprecated`"},
	{regexp.MustCompile(`PATCH /v1/event-types/(\S*[^\s.])`), "`malote event-type update $1`"},
	{regexp.MustCompile(`DELETE /v1/event-types/\{name\}`), "`malote event-type delete`"},
	{regexp.MustCompile(`GET /v1/inspectors/\{id\}/requests`), "`malote inspector requests`"},
	{regexp.MustCompile(`DELETE /v1/inspectors/\{id\}`), "`malote inspector delete`"},
	{regexp.MustCompile(`POST /v1/replays/\{id\}/cancel`), "`malote replay cancel`"},
	{regexp.MustCompile(`POST /v1/replays`), "`malote replay create`"},
	{regexp.MustCompile(`say \{"last":true\}`), "say --last"},
	{regexp.MustCompile(`with expires_in`), "with --expires"},
	{regexp.MustCompile(`with the same Idempotency-Key`), "with the same --idempotency-key"},
	{regexp.MustCompile(`named in detail`), "named above"},
}

// shell turns words for a program that speaks HTTP into words for a shell.
func (a *asked) shell(text string) string {
	id := "ID"
	if a != nil && strings.HasPrefix(a.positionals["id"], "ep_") {
		id = a.positionals["id"]
	}
	for _, s := range inShell {
		text = s.request.ReplaceAllString(text, strings.ReplaceAll(s.command, "$id", id))
	}
	return text
}

// shellFix is the advice of an answer.
func (a *asked) shellFix(fix string) string {
	switch {
	case strings.HasPrefix(fix, "Correct what errors names"):
		return "correct what is named above and run it again; --help shows each option"
	case strings.Contains(fix, "header Retry-After"):
		return "wait a moment, then run it again"
	}
	return a.shell(fix)
}
