package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"time"
)

// idlePages is how long the console's pages take beside what is stored, as a
// browser gets them: signed in, whole, in HTML.
func (b *bed) idlePages(ctx context.Context, sec *section, f *seen) error {
	cookie, err := b.signIn(ctx)
	if err != nil {
		return err
	}
	pages := pagesOf("/p/"+b.project, f)
	if _, err := b.ask(ctx, pages, 2, 0, "Cookie", cookie); err != nil {
		return err
	}
	took, err := b.ask(ctx, pages, b.s.o.listCalls, 0, "Cookie", cookie)
	if err != nil {
		return err
	}
	sec.calls(fmt.Sprintf("pages, idle, %d stored", b.s.o.lists), pages, took)
	_, p99 := percentiles(pooled(took))
	sec.atMost("all pages, p99, idle", p99, "ms", 50)
	sec.atMost("the slowest kind of page, p99, idle", worst(took), "ms", 50)
	return nil
}

// pagesOf is what people look at: the lists with each of their filters, and
// what stands behind a row of them.
func pagesOf(base string, f *seen) []call {
	page := func(name, path string) call {
		return call{name, func() string { return base + path }}
	}
	of := func(name string, path func() string) call {
		return call{name, func() string { return base + path() }}
	}
	return []call{
		page("overview", ""),
		page("messages", "/events"),
		of("messages until a time", func() string { return "/events?until=" + f.moment() }),
		of("messages of a consumer", func() string { return "/events?consumer=" + f.consumer() }),
		of("messages of a consumer and type", func() string { return "/events?type=bench.other&consumer=" + f.consumer() }),
		page("messages of a rare type", "/events?type=bench.rare"),
		page("messages of a channel (none is)", "/events?channel=nowhere"),
		page("messages with a text (none has it)", "/events?search=nowhere"),
		of("message", func() string { return "/events/" + oneOf(f.events) }),
		page("live messages", "/events/live"),
		page("deliveries", "/deliveries"),
		of("deliveries of an endpoint", func() string { return "/deliveries?endpoint_id=" + oneOf(f.endpoints) }),
		of("deliveries of a consumer, then", func() string { return "/deliveries?consumer=" + f.consumer() + "&until=" + f.moment() }),
		page("failed deliveries", "/deliveries?state=failed"),
		page("deliveries with a 404", "/deliveries?last_status=404"),
		of("deliveries with a 503 (none is), then", func() string { return "/deliveries?last_status=503&until=" + f.moment() }),
		of("delivery", func() string { return "/deliveries/" + oneOf(f.deliveries) }),
		page("endpoints", "/endpoints"),
		page("endpoints, by a word (none has it)", "/endpoints?search=nowhere"),
		of("endpoint", func() string { return "/endpoints/" + oneOf(f.endpoints) }),
		page("consumers", "/consumers"),
		of("consumer", func() string { return "/consumers/" + f.consumer() }),
		page("event types", "/event-types"),
		page("inspectors", "/inspect"),
		page("audit log", "/audit"),
	}
}

// signIn makes somebody who may look, while the server stands still, and
// returns her cookie.
func (b *bed) signIn(ctx context.Context) (string, error) {
	if err := b.server.Stop(time.Minute); err != nil {
		return "", err
	}
	cmd := exec.CommandContext(ctx, b.site.Binary, append([]string{"person", "invite", "bench@example.com", "--public-url", b.site.URL()}, b.site.Place()...)...)
	link, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("malote person invite: %w", err)
	}
	if _, err := b.start(ctx); err != nil {
		return "", err
	}
	const password = "a bench looks at pages"
	form := url.Values{"password": {password}, "again": {password}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSpace(string(link)), strings.NewReader(form))
	if err != nil {
		return "", err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	ans, err := (&http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		return "", err
	}
	defer ans.Body.Close()
	for _, c := range ans.Cookies() {
		if c.Value != "" {
			return c.Name + "=" + c.Value, nil
		}
	}
	return "", errors.New("nobody is signed in by a one-time link: " + ans.Status)
}
