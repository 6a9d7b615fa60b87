package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// KeySize is the size of a master key in bytes.
const KeySize = 32

const idSize = 4

// Errors of this package. None of them ever holds a secret.
var (
	ErrKey        = errors.New("master key is not 32 bytes in base64")
	ErrUnknownKey = errors.New("encrypted with a master key that is not in the keyring")
	ErrOpen       = errors.New("does not decrypt: changed, or moved from another row")
)

// Keyring encrypts with its first master key and decrypts with any of them,
// so a master key can be rotated while rows of the old one remain.
type Keyring struct{ keys []masterKey }

type masterKey struct {
	id    [idSize]byte
	aead  cipher.AEAD
	codes []byte // the key of codes
}

// NewMasterKey makes a random master key in the form that [NewKeyring] reads.
func NewMasterKey() string {
	b := make([]byte, KeySize)
	_, _ = rand.Read(b) // never fails (Go 1.24)
	return base64.StdEncoding.EncodeToString(b)
}

// NewKeyring reads master keys: base64 of 32 bytes each, the one to encrypt
// with first. Errors: [ErrKey].
func NewKeyring(keys ...string) (*Keyring, error) {
	if len(keys) == 0 {
		return nil, ErrKey
	}
	ring := &Keyring{}
	for i, k := range keys {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(k))
		if err != nil || len(raw) != KeySize {
			return nil, fmt.Errorf("key %d of %d: %w", i+1, len(keys), ErrKey)
		}
		m, err := newMasterKey(raw)
		if err != nil {
			return nil, err
		}
		ring.keys = append(ring.keys, m)
	}
	return ring, nil
}

func newMasterKey(raw []byte) (masterKey, error) {
	var m masterKey
	sub, err := hkdf.Key(sha256.New, raw, nil, "malote secrets at rest v1", KeySize)
	if err != nil {
		return m, err
	}
	sum := sha256.Sum256(append([]byte("malote key id v1"), raw...))
	copy(m.id[:], sum[:])
	block, err := aes.NewCipher(sub)
	if err != nil {
		return m, err
	}
	if m.aead, err = cipher.NewGCMWithRandomNonce(block); err != nil {
		return m, err
	}
	m.codes, err = hkdf.Key(sha256.New, raw, nil, "malote codes v1", KeySize)
	return m, err
}

// Seal encrypts. The place (table, row and column) is bound in as associated
// data, so a ciphertext that was copied to another row does not open there.
func (r *Keyring) Seal(plain []byte, place string) []byte {
	k := r.keys[0]
	return k.aead.Seal(k.id[:idSize:idSize], nil, plain, []byte(place))
}

// Open decrypts what [Keyring.Seal] made for the same place.
// Errors: [ErrUnknownKey], [ErrOpen].
func (r *Keyring) Open(sealed []byte, place string) ([]byte, error) {
	if len(sealed) < idSize {
		return nil, ErrOpen
	}
	for _, k := range r.keys {
		if [idSize]byte(sealed[:idSize]) != k.id {
			continue
		}
		plain, err := k.aead.Open(nil, nil, sealed[idSize:], []byte(place))
		if err != nil {
			return nil, ErrOpen
		}
		return plain, nil
	}
	return nil, ErrUnknownKey
}

// Current reports whether a ciphertext was made with the first key; where
// not, rotation has to seal it again.
func (r *Keyring) Current(sealed []byte) bool {
	return len(sealed) >= idSize && [idSize]byte(sealed[:idSize]) == r.keys[0].id
}

// CodeSize is the size of a code in bytes.
const CodeSize = 16

// Code proves that this server wrote a message, to itself: in a link that
// somebody follows. A code for one purpose is none for another.
func (r *Keyring) Code(message []byte, purpose string) []byte {
	return r.keys[0].code(message, purpose)
}

// Coded reports whether a code is of the message and the purpose, made with any
// of the keys.
func (r *Keyring) Coded(code, message []byte, purpose string) bool {
	ok := false
	for _, k := range r.keys {
		ok = hmac.Equal(code, k.code(message, purpose)) || ok
	}
	return ok
}

func (m *masterKey) code(message []byte, purpose string) []byte {
	h := hmac.New(sha256.New, m.codes)
	h.Write([]byte(purpose))
	h.Write([]byte{0})
	h.Write(message)
	return h.Sum(nil)[:CodeSize]
}
