package webhook

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Explanation is what was looked at, step by step, and what came of it. It
// holds no secret, but what a secret makes of the request: keep it from whom
// you keep that.
type Explanation struct {
	Verdict  Verdict
	Headers  []HeaderRead  // those that the dialect reads, in its order
	Items    []CarrierItem // what the signature's header holds, in its order
	Time     *TimeRead     // nil: the dialect signs no time, or none could be read
	Message  []SignedPart  // what is signed, in its order
	Expected []Expected    // what the secrets make of it
	// Mistakes are what was found by trying, what fits first; nothing of a
	// request that passes.
	Mistakes []Mistake
	// Searched says that usual mistakes were tried; they are not with a body
	// above 64 KiB.
	Searched bool
}

// HeaderRead is a header that the dialect reads.
type HeaderRead struct {
	Name   string // as the dialect spells it
	Role   HeaderRole
	Values []string // as they came; none: it is missing
}

// HeaderRole is what a header is for.
type HeaderRole string

// The roles of headers.
const (
	RoleSignature HeaderRole = "signature"
	RoleTimestamp HeaderRole = "timestamp"
	RoleSigned    HeaderRole = "signed" // its value is a part of what is signed
)

// CarrierItem is one item of the signature's header.
type CarrierItem struct {
	Text    string // with its prefix
	Role    ItemRole
	Matches bool // it is what one of the secrets makes
}

// ItemRole is what an item is.
type ItemRole string

// The roles of items.
const (
	ItemSignature ItemRole = "signature"
	ItemTimestamp ItemRole = "timestamp"
	ItemUnknown   ItemRole = "unknown" // no prefix of the dialect begins it; it is passed over
)

// TimeRead is the signed time.
type TimeRead struct {
	Text      string // as it came
	Format    TimeFormat
	Time      time.Time
	Off       time.Duration // by how much it is before the receiver's clock; negative: ahead
	Tolerance time.Duration
}

// SignedPart is a part of the bytes that are signed.
type SignedPart struct {
	Kind    PartKind
	Header  string // of PartHeader: its name
	Offset  int    // in the signed bytes
	Bytes   []byte // nil: it is missing, or the secret. The caller's own where it is the body
	Missing bool   // the header is not there, or there more than once
}

// PartKind is what a part is.
type PartKind string

// The kinds of parts.
const (
	PartText       PartKind = "text" // the dialect's own, as in "."
	PartHeader     PartKind = "header"
	PartTimestamp  PartKind = "timestamp"
	PartBody       PartKind = "body"
	PartBodySHA256 PartKind = "body_sha256" // in hex
	PartSecret     PartKind = "secret"      // of the algorithm sha256; its bytes are not told
)

// Expected is what a secret makes of the signed bytes.
type Expected struct {
	Secret    int // which of the secrets, from 0
	Algorithm Algorithm
	Text      string // as it would stand in the header; empty: a public key, or a token
	Matches   bool   // the header holds it
	Problem   string // why the secret cannot be used, in words
}

// Bounds of an explanation.
const maxItemsShown = 64

// Explain judges as [Dialect.Verify] does, and says what it looked at. Where
// nothing matches it tries more mistakes than Verify, in bodies up to 64 KiB,
// which takes up to some hundred milliseconds; what fits refines the cause, and
// never makes a failure a success. others are the dialects that the request
// may be of (none: the built-in ones): that is a hint, never a verdict.
//
// It is a tool for people who look for what is wrong, and compares as they
// need it, not in constant time: keep it away from strangers who do not have
// the secrets.
func (d *Dialect) Explain(h http.Header, body []byte, secrets []string, now time.Time, others ...*Dialect) *Explanation {
	x := &Explanation{Verdict: d.verify(h, body, secrets, now, true)}
	if d.plan == nil {
		return x
	}
	if len(others) == 0 {
		others = builtin()
	}
	e := &explainer{Explanation: x, check: &check{dialect: d, header: h, body: body, now: now}, secrets: secrets}
	e.keys, _ = d.verifyKeys(secrets)
	e.look()
	e.expect()
	if x.Verdict.OK {
		return x
	}
	x.Searched = len(body) <= maxDiagnose
	if x.Verdict.Cause == CauseClock {
		x.Mistakes = []Mistake{{Kind: MistakeClock, Fits: true, Detail: x.Verdict.Detail}}
		return x
	}
	if x.Searched {
		x.Mistakes = e.search(e.keys, secrets).mistakes(e.keys, others)
		e.refine()
	}
	return x
}

// explainer looks at one request.
type explainer struct {
	*Explanation
	*check
	keys    []*key
	secrets []string
}

// refine gives the verdict the cause that was found by trying.
func (e *explainer) refine() {
	if e.Verdict.Cause != CauseMismatch || len(e.body) == 0 {
		return
	}
	for i := range e.Mistakes {
		if m := &e.Mistakes[i]; m.Fits && m.Kind.cause() != "" {
			e.Verdict = m.verdict()
			return
		}
	}
}

// look notes what is there. What cannot be read is passed over: the verdict
// says it.
func (e *explainer) look() {
	sig := &e.dialect.Signature
	e.noteHeader(sig.Header, RoleSignature)
	if t := sig.Timestamp; t != nil && t.Header != "" {
		e.noteHeader(t.Header, RoleTimestamp)
	}
	for _, p := range e.dialect.plan.message {
		if p.hole == holeHeader {
			e.noteHeader(p.lit, RoleSigned)
		}
	}
	if _, ok := e.readCarrier(); ok {
		if _, ok := e.readItems(); !ok {
			e.items = nil
		}
	}
	if _, ok := e.readTime(); ok && sig.Timestamp != nil {
		e.Time = &TimeRead{
			Text: e.stamp, Format: sig.Timestamp.Format, Time: e.time, Off: e.now.Sub(e.time), Tolerance: time.Duration(sig.Timestamp.Tolerance),
		}
	}
	e.message()
	if e.carrier != "" {
		e.carried()
	}
}

func (e *explainer) noteHeader(name string, role HeaderRole) {
	e.Headers = append(e.Headers, HeaderRead{Name: name, Role: role, Values: headerValues(e.header, name)})
}

// message lists the parts of what is signed, and those of the check where none
// is missing.
func (e *explainer) message() {
	whole, offset := true, 0
	values := e.dialect.plan.messageParts(nil, []byte(e.stamp), e.body, func(name string) []byte {
		if v, _, ok := e.one(name); ok {
			return []byte(v)
		}
		return nil
	})
	for i, p := range e.dialect.plan.message {
		part := SignedPart{Kind: partKinds[p.hole], Offset: offset, Bytes: values[i]}
		switch p.hole {
		case holeHeader:
			part.Header, part.Missing = p.lit, values[i] == nil
		case holeTimestamp:
			part.Missing = e.stamp == ""
		case holeSecret:
			if len(e.keys) > 0 {
				offset += len(e.keys[0].bytes)
			}
		}
		whole = whole && !part.Missing
		offset += len(values[i])
		e.Message = append(e.Message, part)
	}
	if whole {
		e.parts = append([][]byte{}, values...) // none is missing where there are none
	}
}

var partKinds = [...]PartKind{
	holeNone: PartText, holeHeader: PartHeader, holeTimestamp: PartTimestamp, holeBody: PartBody, holeBodySHA256: PartBodySHA256, holeSecret: PartSecret,
}

// carried notes what the signature's header holds.
func (e *explainer) carried() {
	sig := &e.dialect.Signature
	for _, text := range e.texts() {
		if len(e.Items) == maxItemsShown {
			return
		}
		it := CarrierItem{Text: text, Role: ItemUnknown}
		if t := sig.Timestamp; t != nil && t.Item != "" && strings.HasPrefix(text, t.Item) {
			it.Role = ItemTimestamp
		}
		for i := range sig.Schemes {
			if s := &sig.Schemes[i]; it.Role == ItemUnknown && strings.HasPrefix(text, s.Prefix) {
				it.Role, it.Matches = ItemSignature, e.made(item{s, text[len(s.Prefix):]})
			}
		}
		e.Items = append(e.Items, it)
	}
}

// made reports whether one of the secrets makes a signature.
func (e *explainer) made(it item) bool {
	if e.parts == nil {
		return false
	}
	one := *e.check
	one.items = []item{it}
	return slices.ContainsFunc(e.keys, one.matches)
}

// expect notes what each secret makes of what is signed.
func (e *explainer) expect() {
	for i, s := range e.secrets {
		x := Expected{Secret: i}
		k, err := e.dialect.decodeKey(s, true)
		if err != nil {
			x.Problem = reason(err)
			e.Expected = append(e.Expected, x)
			continue
		}
		x.Algorithm = k.scheme.Algorithm
		if signs := k.private != nil || k.public == nil; signs && e.parts != nil && x.Algorithm != Token {
			x.Text = k.scheme.Prefix + string(k.scheme.Encoding.append(nil, k.sum(nil, e.dialect.plan, e.parts)))
		}
		x.Matches = len(e.items) > 0 && e.parts != nil && e.matches(k)
		e.Expected = append(e.Expected, x)
	}
}
