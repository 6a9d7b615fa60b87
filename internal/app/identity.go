package app

import (
	"net"
	"net/url"

	"github.com/malote-dev/malote/internal/dashboard"
	"github.com/malote-dev/malote/internal/deliver/egress"
	"github.com/malote-dev/malote/internal/oidc"
	"github.com/malote-dev/malote/internal/secret"
)

// OIDCSecret is what the identity provider knows this server by, given or in
// the first line of a file.
func OIDCSecret(direct, file string) (secret.Text, error) {
	return secretURL("oidc-client-secret", "the secret of this client of the identity provider", direct, file)
}

// checkIdentity wants an identity provider that cannot be impersonated on the way.
func checkIdentity(o *Options) *Problem {
	if o.OIDCIssuer == "" {
		for _, with := range []struct{ option, value string }{{"oidc-client-id", o.OIDCClientID}, {"oidc-name", o.OIDCName}} {
			if with.value != "" {
				return wrongOption(with.option, with.value, "needs --oidc-issuer beside it", "name the identity provider with --oidc-issuer, or leave it out")
			}
		}
		return nil
	}
	u, err := url.Parse(o.OIDCIssuer)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return wrongOption("oidc-issuer", o.OIDCIssuer, "is not the https:// URL of an identity provider", "write it as its tokens say it, for example https://accounts.google.com; http:// is for this machine alone")
	case o.OIDCClientID == "":
		return &Problem{What: "--oidc-client-id is missing: it is what the identity provider knows this server by", Fix: "register this server there as a web application, and pass the id that you get"}
	case o.PublicURL == "":
		return &Problem{What: "--public-url is missing: the identity provider sends people back to it", Fix: "add for example --public-url https://webhooks.example.com, and register " + dashboard.IdentityPath + " below it there"}
	}
	return nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// identity is the provider of valid options; nil: none.
func (o *Options) identity() *oidc.Provider {
	if o.OIDCIssuer == "" {
		return nil
	}
	return oidc.New(oidc.Options{
		Issuer: o.OIDCIssuer, ClientID: o.OIDCClientID, ClientSecret: o.OIDCClientSecret, RedirectURL: o.PublicURL + dashboard.IdentityPath, Name: o.OIDCName,
		HTTP: egress.NewOperatorClient(egress.OperatorOptions{}),
	})
}
