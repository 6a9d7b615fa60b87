package store

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"time"
)

// A key is what a row is known by inside the database: 43 bits of
// milliseconds since 1970 and a counter of 20 bits, so keys order by time and
// are never given out twice. The world sees a UUIDv7 that is computed from
// the key: its time and counter, filled up with 54 bits of a keyed
// permutation of the key. Rows and indexes so hold 8 bytes instead of 16, no
// index from id to row is needed, and ids still cannot be guessed.
//
// Where many processes share a database, the upper bits of the counter are the
// slot of the one that made the key: so no two make the same.
type key = int64

const (
	counterBits = 20
	slotBits    = 6
	slotShift   = counterBits - slotBits
	slotKeys    = 1 << slotShift        // of a millisecond
	minuteKeys  = 60_000 << counterBits // keys in a minute
)

// keymaker gives out keys and turns them into ids and back. Only the writer
// calls next; id and key may be called from anywhere.
type keymaker struct {
	last  key
	from  key // counter that a millisecond's keys begin with
	room  key // how many keys of a millisecond are this one's
	block cipher.Block
}

func newKeymaker(secret []byte, last key) (*keymaker, error) {
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, err
	}
	return &keymaker{last: last, room: 1 << counterBits, block: block}, nil
}

// inSlot bounds the keys to those of a slot.
func (m *keymaker) inSlot(slot int) { m.from, m.room = key(slot)<<slotShift, slotKeys }

// next gives out n keys in a row, at most as many as a millisecond has, and
// returns the first. They are greater than all before, also where the clock was
// set back. What does not fit into a millisecond is of the next.
func (m *keymaker) next(now time.Time, n int) key {
	first := max(timeKey(now), m.last+1)
	ms, at := first>>counterBits<<counterBits, max(first&(1<<counterBits-1)-m.from, 0)
	if at+key(n) > m.room {
		ms, at = ms+1<<counterBits, 0
	}
	first = ms + m.from + at
	m.last = first + key(n) - 1
	return first
}

// after has all keys to come be greater than one that another process made.
func (m *keymaker) after(k key) { m.last = max(m.last, k) }

// timeKey is the smallest key of a time's millisecond.
func timeKey(t time.Time) key {
	ms := t.UnixMilli()
	switch {
	case ms <= 0:
		return 0
	case ms >= 1<<43:
		return 1<<63 - 1
	}
	return ms << counterBits
}

// keyTime is the time that a key was made at, to the millisecond.
func keyTime(k key) time.Time {
	if k == 0 {
		return time.Time{}
	}
	return time.UnixMilli(k >> counterBits).UTC()
}

// id renders a key; zero stays zero.
func (m *keymaker) id(k key) ID {
	var id ID
	if k == 0 {
		return id
	}
	var in, out [aes.BlockSize]byte
	binary.BigEndian.PutUint64(in[:], uint64(k))
	m.block.Encrypt(out[:], in[:])
	tail := binary.BigEndian.Uint64(out[:]) >> 10 // 54 bits

	u := uint64(k)
	count := u & (1<<counterBits - 1)
	binary.BigEndian.PutUint64(id[:8], u>>counterBits<<16|7<<12|count>>8)
	binary.BigEndian.PutUint64(id[8:], 2<<62|(count&0xff)<<54|tail)
	return id
}

// key reads an id. It is false for an id that this store never made.
func (m *keymaker) key(id ID) (key, bool) {
	hi, lo := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	k := key(hi>>16<<counterBits | (hi&0xfff)<<8 | lo>>54&0xff)
	if k <= 0 || m.id(k) != id {
		return 0, false
	}
	return k, true
}

// afterKey is the first millisecond of which no key was made before k; zero
// stays zero.
func afterKey(k key) time.Time {
	if k == 0 {
		return time.Time{}
	}
	return keyTime(k).Add(time.Millisecond)
}

// micros and fromMicros are how times are kept: zero stays zero.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// kept is a time as it reads when it comes back from the database.
func kept(t time.Time) time.Time { return fromMicros(micros(t)) }
