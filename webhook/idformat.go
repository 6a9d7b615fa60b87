package webhook

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
)

// IDFormat is how a dialect writes one kind of id.
type IDFormat struct {
	Form   IDForm `json:"form"`
	Prefix string `json:"prefix,omitempty"`
}

// IDForm is the part of an id after its prefix.
type IDForm string

// The forms of ids.
const (
	// FormUUID is the UUID, lower case with hyphens.
	FormUUID IDForm = "uuid"
	// FormBase32 is the UUID in 26 characters of Crockford's alphabet, lower
	// case: what TypeID writes. It sorts as the UUID does.
	FormBase32 IDForm = "base32"
	// FormAlnum16 is 16 letters and digits taken from the UUID's SHA-256,
	// each of the 62 equally likely. It cannot be read back.
	FormAlnum16 IDForm = "alnum16"
)

// ErrIDForm says that ids of a form cannot be read back.
var ErrIDForm = errors.New("ids of this form cannot be read back")

const (
	crockford = "0123456789abcdefghjkmnpqrstvwxyz"
	alnum     = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
)

// Format writes an id.
func (f IDFormat) Format(id ID) string {
	var b [64]byte
	return string(f.Append(b[:0], id))
}

// Append writes an id behind dst.
func (f IDFormat) Append(dst []byte, id ID) []byte {
	dst = append(dst, f.Prefix...)
	switch f.Form {
	case FormBase32:
		return appendBase32(dst, id)
	case FormAlnum16:
		return appendAlnum16(dst, id)
	default:
		return appendUUID(dst, id)
	}
}

// Parse reads an id that Format wrote. Errors: [ErrID] (wrapped), [ErrIDForm].
func (f IDFormat) Parse(s string) (ID, error) {
	if f.Form == FormAlnum16 {
		return ID{}, ErrIDForm
	}
	rest, ok := strings.CutPrefix(s, f.Prefix)
	if !ok {
		return ID{}, fmt.Errorf("%w: it does not begin with %q", ErrID, f.Prefix)
	}
	if f.Form == FormBase32 {
		return parseBase32(rest)
	}
	return ParseUUID(rest)
}

func appendBase32(dst []byte, id ID) []byte {
	// 128 bits in 26 groups of 5: the first group holds only the top 3.
	var hi, lo uint64
	for i := range 8 {
		hi = hi<<8 | uint64(id[i])
		lo = lo<<8 | uint64(id[i+8])
	}
	var b [26]byte
	for i := 25; i >= 0; i-- {
		b[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return append(dst, b[:]...)
}

func parseBase32(s string) (ID, error) {
	if len(s) != 26 || s[0] > '7' {
		return ID{}, fmt.Errorf("%w in base32", ErrID)
	}
	var hi, lo uint64
	for i := range len(s) {
		v := strings.IndexByte(crockford, s[i])
		if v < 0 {
			return ID{}, fmt.Errorf("%w in base32", ErrID)
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	var id ID
	for i := 7; i >= 0; i-- {
		id[i], id[i+8] = byte(hi), byte(lo)
		hi >>= 8
		lo >>= 8
	}
	return id, nil
}

func appendAlnum16(dst []byte, id ID) []byte {
	want := len(dst) + 16
	sum := sha256.Sum256(id[:])
	for {
		for _, c := range sum {
			if c >= 4*62 { // the rest would favour the first characters
				continue
			}
			if dst = append(dst, alnum[c%62]); len(dst) == want {
				return dst
			}
		}
		sum = sha256.Sum256(sum[:])
	}
}
