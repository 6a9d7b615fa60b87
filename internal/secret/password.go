package secret

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Cost of one hash of a password: the first of the settings that OWASP names
// for argon2id. A hash says its own cost, so raising these breaks none.
const (
	hashMemory  = 46 << 10 // KiB
	hashTime    = 1
	hashThreads = 1
	hashSalt    = 16 // bytes
	hashSize    = 32 // bytes
)

// maxHashMemory bounds what a hash may ask for, in KiB: a row is not trusted
// with the machine's memory.
const maxHashMemory = 1 << 20

// Passwords hashes and compares passwords, a few at a time: each takes tens of
// MiB. Use [NewPasswords].
type Passwords struct{ turns chan struct{} }

// NewPasswords lets n hashes be made at once.
func NewPasswords(n int) *Passwords { return &Passwords{turns: make(chan struct{}, n)} }

// Hash makes what is kept of a password: argon2id in the form of PHC strings.
// The error is ctx's.
func (p *Passwords) Hash(ctx context.Context, password Text) (string, error) {
	salt := make([]byte, hashSalt)
	rand.Read(salt) // never fails
	sum, err := p.derive(ctx, password, salt, hashTime, hashMemory, hashThreads, hashSize)
	if err != nil {
		return "", err
	}
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, hashMemory, hashTime, hashThreads, b64.EncodeToString(salt), b64.EncodeToString(sum)), nil
}

// Same reports whether a password is the one that a hash was made of. Without
// a hash (nobody is called so) it takes as long and says no. The error is ctx's.
func (p *Passwords) Same(ctx context.Context, password Text, hash string) (bool, error) {
	h, ok := parseHash(hash)
	if !ok {
		h = parsedHash{time: hashTime, memory: hashMemory, threads: hashThreads, salt: make([]byte, hashSalt), sum: make([]byte, hashSize)}
	}
	sum, err := p.derive(ctx, password, h.salt, h.time, h.memory, h.threads, len(h.sum))
	return err == nil && subtle.ConstantTimeCompare(sum, h.sum) == 1 && ok, err
}

func (p *Passwords) derive(ctx context.Context, password Text, salt []byte, time, memory uint32, threads uint8, size int) ([]byte, error) {
	select {
	case p.turns <- struct{}{}:
		defer func() { <-p.turns }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return argon2.IDKey([]byte(password.Reveal()), salt, time, memory, threads, uint32(size)), nil
}

type parsedHash struct {
	time, memory uint32
	threads      uint8
	salt, sum    []byte
}

func parseHash(text string) (h parsedHash, ok bool) {
	parts := strings.Split(text, "$")
	if len(parts) != 6 || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, false
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.time, &h.threads); n != 3 || err != nil {
		return h, false
	}
	var err, wrong error
	h.salt, err = base64.RawStdEncoding.DecodeString(parts[4])
	h.sum, wrong = base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil || wrong != nil || len(h.sum) < 16 || h.time == 0 || h.threads == 0 || h.memory > maxHashMemory {
		return h, false
	}
	return h, true
}
