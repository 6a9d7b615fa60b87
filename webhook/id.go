package webhook

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"
)

// ID is a UUID (RFC 9562, version 7 where Malote made it). Every event,
// delivery and endpoint has one; dialects render it in their own format.
type ID [16]byte

// ErrID says that a text is not a UUID.
var ErrID = errors.New("not a UUID")

// NewID makes a UUIDv7: the time in milliseconds, then 74 random bits. Give
// it to [Message.ID], and keep it with the event: a retry has the same id.
func NewID() ID {
	var id ID
	_, _ = rand.Read(id[6:]) // never fails: crypto/rand ends the program instead
	ms := time.Now().UnixMilli()
	for i := range 6 {
		id[i] = byte(ms >> (40 - 8*i))
	}
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// IsZero reports whether the id was never set.
func (id ID) IsZero() bool { return id == ID{} }

// String renders the id as a UUID, lower case with hyphens.
func (id ID) String() string {
	var b [36]byte
	return string(appendUUID(b[:0], id))
}

func appendUUID(dst []byte, id ID) []byte {
	dst = hex.AppendEncode(dst, id[0:4])
	for i := 4; i < 10; i += 2 {
		dst = hex.AppendEncode(append(dst, '-'), id[i:i+2])
	}
	return hex.AppendEncode(append(dst, '-'), id[10:16])
}

// ParseUUID reads the form that [ID.String] writes. Errors: [ErrID].
func ParseUUID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, ErrID
	}
	compact := s[0:8] + s[9:13] + s[14:18] + s[19:23] + s[24:36]
	if _, err := hex.Decode(id[:], []byte(compact)); err != nil {
		return ID{}, ErrID
	}
	return id, nil
}
