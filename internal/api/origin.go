package api

import (
	"net/http"
	"strings"
)

// A customer's page shows its endpoints from an origin of its own, and calls
// with a portal session's token. That token is all the authority there is: no
// cookie goes with a request. So every origin may send one and read the
// answer (Fetch standard, "CORS protocol"). A key is for servers: a page gets
// no answer to one.
var (
	anyOrigin    = []string{"*"}
	sentHeaders  = []string{"Authorization, Content-Type, Idempotency-Key, Accept-Language"}
	shownHeaders = []string{"X-Request-Id, Retry-After, Content-Language, Idempotent-Replayed"}
	preflightFor = []string{"7200"} // seconds; browsers keep it no longer
)

// portalMay reports whether a portal session may use a route.
func (rt *route) portalMay() bool {
	return rt.scope == anyKey || rt.portalAccess() != ""
}

// preflight answers a browser that asks whether a page may call a path in a
// way; false: that was not asked, or it may not.
func (res *resource) preflight(c *call) bool {
	wanted := c.r.Header.Get("Access-Control-Request-Method")
	rt := res.methods[wanted]
	if c.r.Method != http.MethodOptions || c.r.Header.Get("Origin") == "" || rt == nil || !rt.portalMay() {
		return false
	}
	h := c.w.Header()
	h["Access-Control-Allow-Origin"] = anyOrigin
	h["Access-Control-Allow-Methods"] = []string{wanted}
	h["Access-Control-Allow-Headers"] = sentHeaders
	h["Access-Control-Max-Age"] = preflightFor
	c.status = http.StatusNoContent
	c.w.WriteHeader(c.status)
	return true
}

// shareable lets a page read the answer to a portal session's token, also the
// one that says that the session is over.
func (c *call) shareable(token string) {
	if strings.HasPrefix(token, portalPrefix) && c.route.portalMay() {
		h := c.w.Header()
		h["Access-Control-Allow-Origin"] = anyOrigin
		h["Access-Control-Expose-Headers"] = shownHeaders
	}
}
