package client

import "testing"

// TestClimbs: no path leads out of the target's, however it is written; what
// only looks like it is passed on.
func TestClimbs(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]bool{
		"/..": true, "/a/../b": true, "/a/..": true, "/%2e%2e/b": true, "/.%2E/b": true, "/a/%252e%252e/b": true, `/..\b`: true, "/..%5cb": true, "/..;x=1/b": true, "/a%2f..%2fb": true,
		"": false, "/": false, "/a/b": false, "/a..b": false, "/...": false, "/.": false, "/..a": false, "/%zz/..a": false, "/a%2fb": false,
	} {
		if climbs(path) != want {
			t.Errorf("%q: %v", path, !want)
		}
	}
}

// TestHeadersAreExact: bytes that JSON cannot hold are those that came.
func TestHeadersAreExact(t *testing.T) {
	t.Parallel()
	got := forwardedHeaders([]Header{{Name: "X-L", Value: "S\uFFFDo", Raw: "U+Nv"}, {Name: "X-P", Value: "plain"}, {Name: "X-Odd", Value: "v", Raw: "?"}})
	if got["X-L"][0] != "S\xe3o" || got["X-P"][0] != "plain" || got["X-Odd"][0] != "v" {
		t.Errorf("%q", got)
	}
}
