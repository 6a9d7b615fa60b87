package store

import "testing"

// TestForbiddenAnswerHeaders: an inspector sends nothing that frames the
// answer, that a proxy acts on, or that a browser keeps for all of the host.
func TestForbiddenAnswerHeaders(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		"Connection", "Content-Length", "Transfer-Encoding", "Trailer", "TE", "Upgrade", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "HTTP2-Settings",
		"X-Accel-Redirect", "X-Accel-Buffering", "X-Sendfile", "X-Sendfile-Type", "X-LiteSpeed-Location", "X-Reproxy-URL", "X-Lighttpd-Send-File",
		"Set-Cookie", "SET-COOKIE2", "Strict-Transport-Security", "Public-Key-Pins", "Expect-CT", "Alt-Svc", "Clear-Site-Data", "NEL", "Report-To", "Reporting-Endpoints",
		"Accept-CH", "Critical-CH", "Service-Worker-Allowed", "Origin-Agent-Cluster", "Content-Security-Policy", "Content-Security-Policy-Report-Only", "Permissions-Policy", "Document-Policy",
		"Refresh", "WWW-Authenticate", "Set-Login", "Use-As-Dictionary", "Speculation-Rules", "Sec-Session-Registration", "Attribution-Reporting-Register-Source", "X-Content-Type-Options",
	} {
		if !ForbiddenAnswerHeader(name) {
			t.Errorf("%s is sent", name)
		}
	}
	for _, name := range []string{"Content-Type", "Content-Encoding", "Location", "Retry-After", "X-Tea", "ETag", "Cache-Control", "Access-Control-Allow-Origin", "webhook-delivery", "X-Slack-No-Retry"} {
		if ForbiddenAnswerHeader(name) {
			t.Errorf("%s is not sent", name)
		}
	}
}
