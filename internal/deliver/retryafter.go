package deliver

import (
	"net/http"
	"strings"
	"time"
)

// maxRetryAfter is the longest wait that a receiver may ask for.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads a Retry-After header (RFC 9110, section 10.2.3): whole
// seconds or an HTTP date. The wait is between 0 and 24 h; ok is false where
// the value is neither form.
func retryAfter(value string, now time.Time) (wait time.Duration, ok bool) {
	value = strings.TrimSpace(value)
	if value == "" || len(value) > 64 {
		return 0, false
	}
	if seconds, digits := atoi(value, int64(maxRetryAfter/time.Second)); digits {
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), maxRetryAfter), true
}

// atoi reads digits and nothing else, clamped to limit before anything can
// overflow.
func atoi(s string, limit int64) (n int64, ok bool) {
	for i := range len(s) {
		c := s[i]
		if c < '0' || c > '9' {
			return 0, false
		}
		if n < limit {
			n = min(n*10+int64(c-'0'), limit)
		}
	}
	return n, true
}
