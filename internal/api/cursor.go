package api

import (
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/malote-dev/malote/internal/store"
)

// list is a page of things, and where the next begins.
type list[T any] struct {
	Data       []T     `json:"data"`
	NextCursor *string `json:"next_cursor"` // null: this was the last page
}

const cursorVersion = 1

// A cursor is version, id and a sum over these and the list that it belongs to
// (project, path, filters): one that was changed, or taken from another list,
// is refused. It gives no rights; every page is read under the caller's key.
func (c *call) cursor(id store.ID) *string {
	if id.IsZero() {
		return nil
	}
	b := append([]byte{cursorVersion}, id[:]...)
	sum := c.cursorSum(id)
	text := base64.RawURLEncoding.EncodeToString(append(b, sum[:8]...))
	return &text
}

// after reads a cursor; an absent one is the zero id.
func (c *call) after(text string) (store.ID, error) {
	if text == "" {
		return store.ID{}, nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 1+16+8 || b[0] != cursorVersion {
		return store.ID{}, parameter("cursor", "is not a cursor of this server; send next_cursor of the page before, or leave it out")
	}
	id := store.ID(b[1:17])
	if sum := c.cursorSum(id); string(sum[:8]) != string(b[17:]) || id.IsZero() {
		return store.ID{}, parameter("cursor", "was changed, or belongs to a list with other filters; send next_cursor of the page before with the same filters")
	}
	return id, nil
}

func (c *call) cursorSum(id store.ID) [32]byte {
	q := c.r.URL.Query()
	q.Del("cursor")
	q.Del("limit")
	b := append([]byte("malote cursor\x00"), id[:]...)
	b = append(b, c.key.ProjectID[:]...)
	b = append(b, c.key.Consumer+"\x00"+c.r.URL.Path+"\x00"+q.Encode()...)
	return sha256.Sum256(b)
}

// nameCursor is a cursor of a list by name.
func (c *call) nameCursor(name string) *string {
	b := append([]byte{cursorVersion}, name...)
	sum := c.nameSum(name)
	text := base64.RawURLEncoding.EncodeToString(append(b, sum[:8]...))
	return &text
}

// afterName reads one; an absent one is the empty name.
func (c *call) afterName(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+1+8 || b[0] != cursorVersion {
		return "", parameter("cursor", "is not a cursor of this server; send next_cursor of the page before, or leave it out")
	}
	name := string(b[1 : len(b)-8])
	if sum := c.nameSum(name); string(sum[:8]) != string(b[len(b)-8:]) {
		return "", parameter("cursor", "was changed, or belongs to a list with other filters; send next_cursor of the page before with the same filters")
	}
	return name, nil
}

func (c *call) nameSum(name string) [32]byte {
	list := c.cursorSum(store.ID{})
	return sha256.Sum256(append(list[:], name...))
}

// limitOf a page: the default where none is asked for.
func limitOf(asked int) int {
	if asked == 0 {
		return defaultLimit
	}
	return asked
}

// views turns what the store lists into what the API shows; never null.
func views[T, V any](items []T, view func(T) V) []V {
	out := make([]V, len(items))
	for i, item := range items {
		out[i] = view(item)
	}
	return out
}

// notNil is a list that is never null in JSON.
func notNil[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// stamp is a time in UTC with milliseconds; the zero time is null.
type stamp time.Time

// MarshalJSON writes the time as RFC 3339 says.
func (t stamp) MarshalJSON() ([]byte, error) {
	if time.Time(t).IsZero() {
		return []byte("null"), nil
	}
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.000Z"`), nil
}

// exactStamp is a time in UTC as exact as it is kept.
type exactStamp time.Time

// MarshalJSON writes the time as RFC 3339 says.
func (t exactStamp) MarshalJSON() ([]byte, error) {
	return time.Time(t).UTC().AppendFormat(nil, `"2006-01-02T15:04:05.999999999Z"`), nil
}
