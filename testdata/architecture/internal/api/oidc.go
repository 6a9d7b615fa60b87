// breaks: only oidc speaks OpenID Connect

package api

import "golang.org/x/oauth2"

var config oauth2.Config
