package egress

import (
	"errors"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/malote-dev/malote/internal/lang"
)

// MaxURL is the longest URL that [Policy.CheckURL] accepts, in bytes.
const MaxURL = 2048

// URLError says why a URL is refused at creation, and what to do.
type URLError struct {
	Reason, Fix lang.Message
	PlainHTTP   bool // because it is http; more may be wrong with it
	operators   bool // the fix is the operator's
}

// Words says both.
func (e *URLError) Words() lang.Message { return lang.Text("%s; %s", e.Reason, e.Fix) }

// Customer says both to who has no say in how the server runs.
func (e *URLError) Customer() lang.Message {
	fix := e.Fix
	if e.operators {
		fix = lang.Text(fixPublic)
	}
	return lang.Text("%s; %s", e.Reason, fix)
}

func (e *URLError) Error() string { return e.Words().String() }

func refuse(fix, reason lang.Format, args ...any) *URLError {
	return &URLError{Reason: lang.Text(reason, args...), Fix: lang.Text(fix)}
}

const fixPublic = "use a public https URL such as https://hooks.example.com/in"

// CheckURL judges a URL at creation and returns its canonical form: scheme
// and host in lower case, IDNA mapped to xn--, no rooting dot, no default
// port, a path; path and query stay as they are, only bytes that cannot go on
// the wire are percent-encoded. Errors: [*URLError].
//
// An accepted URL may still be refused at delivery: names are judged by what
// they resolve to then.
func (p *Policy) CheckURL(raw string) (*url.URL, error) {
	if err := checkText(raw); err != nil {
		return nil, err
	}
	u, err := url.Parse(raw)
	if err != nil {
		return nil, refuse(fixPublic, "the URL cannot be read: %s", parseCause(err))
	}
	if err := p.checkShape(raw, u); err != nil {
		return nil, err
	}
	host, err2 := p.checkHost(u)
	if err2 != nil {
		return nil, err2
	}
	canonical := u.Scheme + "://" + host + wireTarget(raw)
	if len(canonical) > MaxURL {
		return nil, refuse("shorten it", "the URL is longer than %d bytes once encoded", MaxURL)
	}
	out, err := url.Parse(canonical)
	if err != nil {
		return nil, refuse(fixPublic, "the URL cannot be read: %s", parseCause(err))
	}
	return out, nil
}

// checkText judges the text before anything parses it.
func checkText(raw string) *URLError {
	if strings.TrimSpace(raw) == "" {
		return refuse(fixPublic, "the URL is empty")
	}
	if len(raw) > MaxURL {
		return refuse("shorten it", "the URL is longer than %d bytes", MaxURL)
	}
	if !utf8.ValidString(raw) {
		return refuse("percent-encode bytes that are not ASCII", "the URL is not valid UTF-8")
	}
	for _, r := range raw {
		switch {
		case r == '\\':
			return refuse(`use "/", or %%5C if it is meant`, "the URL has a backslash, which programs read differently")
		case unicode.IsSpace(r) || unicode.Is(unicode.Z, r):
			return refuse("remove it, or percent-encode it as %%20", "the URL has a space or line break (U+%04X)", r)
		case unicode.IsControl(r) || unicode.Is(unicode.Cf, r):
			return refuse("remove it", "the URL has an invisible or control character (U+%04X)", r)
		}
	}
	return nil
}

// checkShape judges everything but the host.
func (p *Policy) checkShape(raw string, u *url.URL) *URLError {
	switch {
	case u.Scheme == "":
		return refuse(fixPublic, "the URL has no scheme")
	case u.Scheme == "http" && !p.AllowHTTP:
		e := refuse("use https, which keeps the payload from being read on the way", "the URL is http")
		e.PlainHTTP = true
		return e
	case u.Scheme != "https" && u.Scheme != "http":
		return refuse(fixPublic, "the scheme %q is not one for webhooks", u.Scheme)
	case u.Opaque != "" || u.Host == "":
		return refuse(fixPublic, "the URL has no host")
	case u.User != nil:
		return refuse("send credentials in a header of the endpoint, such as Authorization", "the URL has a user name or password")
	case strings.Contains(u.Host, "%") || strings.Contains(authorityOf(raw), "%"):
		return refuse("write the name itself", "the URL's host has a percent sign")
	case strings.Contains(raw, "#"):
		return refuse("remove it, or write %%23 if it is meant", `the URL has a fragment ("#"), which is never sent`)
	}
	return nil
}

// authorityOf is what stands between scheme and path.
func authorityOf(raw string) string {
	_, rest, _ := strings.Cut(raw, "://")
	if at := strings.IndexAny(rest, "/?#"); at >= 0 {
		return rest[:at]
	}
	return rest
}

// checkHost judges host and port and returns them in canonical form.
func (p *Policy) checkHost(u *url.URL) (string, *URLError) {
	port, err := checkPort(u)
	if err != nil {
		return "", err
	}
	text := u.Hostname()
	suffix := ""
	if u.Scheme == "https" && port != 443 || u.Scheme == "http" && port != 80 {
		suffix = ":" + strconv.Itoa(int(port))
	}
	if strings.Contains(text, ":") {
		addr, perr := netip.ParseAddr(text)
		if perr != nil || addr.Zone() != "" {
			return "", refuse(fixPublic, "host [%s] is not an IPv6 address without a zone", text)
		}
		return p.checkLiteral(addr, port, suffix)
	}
	name, ierr := hostProfile().ToASCII(text)
	if ierr != nil {
		return "", refuse("check the spelling", "host %q is not a valid host name", text)
	}
	name = strings.TrimSuffix(name, ".")
	if strings.HasSuffix(name, ".") || strings.Contains(name, "..") {
		return "", refuse("check the spelling", "host %q has an empty label", text)
	}
	if endsInNumber(name) {
		addr, perr := netip.ParseAddr(name)
		if perr != nil {
			return "", refuse(fixPublic, "host %q ends in a number but is not an IPv4 address of the form 1.2.3.4", text)
		}
		return p.checkLiteral(addr, port, suffix)
	}
	if err := p.checkName(name, port); err != nil {
		return "", err
	}
	return name + suffix, nil
}

// hostProfile maps like a browser and checks like a registry, but for hyphens
// in the third and fourth place, which names in use do have.
func hostProfile() *idna.Profile {
	return idna.New(idna.MapForLookup(), idna.BidiRule(), idna.VerifyDNSLength(true),
		idna.StrictDomainName(true), idna.CheckHyphens(false), idna.Transitional(false))
}

// checkPort reads the port; what a port may be is judged with the host.
func checkPort(u *url.URL) (uint16, *URLError) {
	text := u.Port()
	if text == "" {
		if strings.HasSuffix(u.Host, ":") {
			return 0, refuse(`remove the ":" or add the port`, "the URL has an empty port")
		}
		if u.Scheme == "http" {
			return 80, nil
		}
		return 443, nil
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil || n == 0 || len(text) > 5 {
		return 0, refuse("use 443, 80, or one from 1024 to 65535", "port %.20q is not a port", text)
	}
	return uint16(n), nil
}

func (p *Policy) checkLiteral(addr netip.Addr, port uint16, suffix string) (string, *URLError) {
	addr = addr.Unmap()
	if why := p.judge(netip.AddrPortFrom(addr, port)); why != nil {
		return "", p.refuseAddr(addr.String(), why)
	}
	if addr.Is6() {
		return "[" + addr.String() + "]" + suffix, nil
	}
	return addr.String() + suffix, nil
}

func (p *Policy) refuseAddr(host string, why *refusal) *URLError {
	switch {
	case why.bad:
		return refuse("use 443, 80, or one from 1024 to 65535", "port %d is not one that webhooks are sent to", why.port)
	case why.allow.IsValid():
		e := refuse(fixPublic, "host %s is %s", host, lang.Recall(lang.Keep(why.what)))
		e.Fix, e.operators = lang.Text("use a public https URL, or have the operator allow it with --egress-allow %s", why.allow), true
		return e
	}
	return refuse("use a public https URL; this address cannot be allowed", "host %s is %s", host, lang.Recall(lang.Keep(why.what)))
}

// checkName judges a name in canonical form.
func (p *Policy) checkName(name string, port uint16) *URLError {
	if slices.Contains(metadataNames, name) {
		return refuse(fixPublic, "host %s is a cloud metadata service", name)
	}
	if isLocalhost(name) {
		return p.checkLocalhost(name, port)
	}
	if hasSuffix(name, neverSuffixes) && !hasSuffix(name, []string{"home.arpa"}) {
		return refuse(fixPublic, "host %s is under a name that public DNS does not have", name)
	}
	if isInternal(name) {
		if len(p.Allow) == 0 {
			e := refuse("use a public https URL, or have the operator allow the range it resolves to with --egress-allow", "host %s is an internal name", name)
			e.operators = true
			return e
		}
		return nil
	}
	if !publicPort(port) {
		return p.refuseAddr(name, badPort(port))
	}
	return nil
}

// checkLocalhost lets a name of the loopback address pass where one of its
// addresses does, and none is this server's own: the other one would only say
// that nothing listens there.
func (p *Policy) checkLocalhost(name string, port uint16) *URLError {
	var first *refusal
	passes := false
	for _, a := range loopbackAddrs() {
		switch why := p.judge(netip.AddrPortFrom(a, port)); {
		case why == nil:
			passes = true
		case why.what == ownAddress:
			return p.refuseAddr(name, why)
		case first == nil:
			first = why
		}
	}
	if passes {
		return nil
	}
	return p.refuseAddr(name, first)
}

// loopbackAddrs is what every name of localhost resolves to, without asking.
func loopbackAddrs() []netip.Addr {
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
}

// wireTarget cuts path and query out of a URL that was parsed, as they stand,
// and percent-encodes only the bytes that cannot go on the wire.
func wireTarget(raw string) string {
	_, rest, _ := strings.Cut(raw, "://")
	at := strings.IndexAny(rest, "/?")
	if at < 0 {
		return "/"
	}
	target := rest[at:]
	var b strings.Builder
	if target[0] == '?' {
		b.WriteByte('/')
	}
	const hexDigits = "0123456789ABCDEF"
	for i := range len(target) {
		c := target[i]
		if c >= 0x80 || strings.IndexByte("\"<>^`{|}", c) >= 0 {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// parseCause says what url.Parse says, without the URL itself.
func parseCause(err error) lang.Message {
	var escape url.EscapeError
	var host url.InvalidHostError
	switch {
	case errors.As(err, &escape):
		return lang.Text("%q is no percent-encoding", string(escape))
	case errors.As(err, &host):
		return lang.Text("%q cannot stand in the name of a host", string(host))
	case strings.Contains(err.Error(), "invalid port"):
		return lang.Text("what stands behind the host is no port")
	case strings.Contains(err.Error(), "scheme"), strings.Contains(err.Error(), "first path segment"):
		return lang.Text("it does not begin with https://")
	}
	return lang.Text("it is not well formed")
}
