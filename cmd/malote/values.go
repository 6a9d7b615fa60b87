package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// span is a duration that also takes days, as in "30d".
type span time.Duration

func (s *span) UnmarshalText(text []byte) error {
	in := string(text)
	if days, ok := strings.CutSuffix(in, "d"); ok {
		n, err := strconv.ParseFloat(days, 64)
		if err != nil || !(n >= 0 && n <= 100_000) { // NaN compares false
			return fmt.Errorf("%q is not a duration: write for example 30d, 12h or 90s", in)
		}
		*s = span(n * 24 * float64(time.Hour))
		return nil
	}
	d, err := time.ParseDuration(in)
	if err != nil || d < 0 {
		return fmt.Errorf("%q is not a duration: write for example 30d, 12h or 90s", in)
	}
	*s = span(d)
	return nil
}

// seconds is the span in whole seconds.
func (s *span) seconds() int { return int(time.Duration(*s) / time.Second) }

// moment is a time: RFC 3339, or a day, which begins at midnight UTC.
type moment struct{ time.Time }

func (m *moment) UnmarshalText(text []byte) (err error) {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if m.Time, err = time.Parse(layout, string(text)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%q is not a time: write for example 2026-01-31T12:00:00Z, or 2026-01-31", text)
}

// expiry is when something ends: how long it lasts, or a time.
type expiry struct {
	after span
	at    moment
}

func (e *expiry) UnmarshalText(text []byte) error {
	*e = expiry{}
	switch {
	case e.after.UnmarshalText(text) == nil && e.after > 0, e.at.UnmarshalText(text) == nil:
		return nil
	}
	return fmt.Errorf("%q is neither how long it lasts nor a time: write for example 10m, 7d or 2026-01-31T12:00:00Z", text)
}

// when is the time that it ends at; zero: nothing was given.
func (e *expiry) when(now time.Time) time.Time {
	if e.after > 0 {
		return now.Add(time.Duration(e.after))
	}
	return e.at.Time
}

// seconds until it ends; at least 1, which the server refuses as too short.
func (e *expiry) seconds(now time.Time) int {
	return max(1, int(e.when(now).Sub(now).Round(time.Second)/time.Second))
}

// size is a number of bytes, as in "64MiB".
type size int64

func (s *size) UnmarshalText(text []byte) error {
	in := string(text)
	number, factor := in, int64(1)
	for _, u := range []struct {
		suffix string
		factor int64
	}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"B", 1}} {
		if rest, ok := strings.CutSuffix(in, u.suffix); ok {
			number, factor = rest, u.factor
			break
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > (1<<62)/factor {
		return fmt.Errorf("%q is not a size: write for example 256KiB, 64MiB or a number of bytes", in)
	}
	*s = size(n * factor)
	return nil
}

// addresses is a range of IP addresses; one address alone is a range too.
type addresses netip.Prefix

func (a *addresses) UnmarshalText(text []byte) error {
	in := string(text)
	if ip, err := netip.ParseAddr(in); err == nil && ip.Zone() == "" {
		*a = addresses(netip.PrefixFrom(ip, ip.BitLen()))
		return nil
	}
	p, err := netip.ParsePrefix(in)
	if err != nil {
		return fmt.Errorf("%q is not a range of addresses: write for example 10.1.0.0/16 or fd00:1::/64", in)
	}
	if p != p.Masked() {
		return fmt.Errorf("%q is not a range's first address: did you mean %s?", in, p.Masked())
	}
	*a = addresses(p)
	return nil
}
