// breaks: only egress dials

package api

import "net/http"

func callOut() { _, _ = http.Get("http://example.com") }
