package store

import (
	"encoding/binary"
	"time"
)

// Every commit writes one row of sends: what its attempts and the deliveries
// that it ended add to the counters. Limits of a rate and all statistics are
// counted again from these rows after a crash. A row is sendForm and then
// entries of sendSize bytes; rows of older versions had no form, and entries of
// oldSendSize bytes.
const (
	sendForm    = 2
	sendSize    = 24
	oldSendSize = 16
)

// send is one entry.
type send struct {
	endpoint key
	at       int64 // microseconds; of the attempt, or of the end without one
	status   int
	took     uint32 // microseconds from the start of the attempt to its end
	class    uint8  // number of the class; 0: it succeeded
	final    uint8  // number of the state that its delivery has now; 0: pending
	attempt  bool   // false: a delivery ended without one
	old      bool   // of an older version: class, took and final are not known
}

// The second eight bytes of an entry: the time in microseconds, and above it
// the status.
const sendTimeBits = 52

const sendAttempt = 1 << 2 // a flag; below it the state

func packSend(at time.Time, status int) uint64 {
	return uint64(micros(at))&(1<<sendTimeBits-1) | uint64(status&0x7ff)<<sendTimeBits
}

func unpackSend(v uint64) (at int64, status int) {
	return int64(v & (1<<sendTimeBits - 1)), int(v >> sendTimeBits)
}

// sent notes an attempt, and that its delivery is still pending.
func (b *batch) sent(endpoint key, a *Attempt) {
	b.appendSend(endpoint, a.At, a.Status, a.Timings.Total, classNumber(a.Class), sendAttempt)
}

// endsWith notes that the delivery of the attempt that was noted last has a
// final state now.
func (b *batch) endsWith(s State) {
	b.sends[len(b.sends)-1] |= uint8(stateNumbers[s])
}

// endedWithout notes a delivery that ended without an attempt.
func (b *batch) endedWithout(endpoint key, s State) {
	b.appendSend(endpoint, b.now, 0, 0, 0, uint8(stateNumbers[s]))
}

func (b *batch) appendSend(endpoint key, at time.Time, status int, took time.Duration, class, flags uint8) {
	if len(b.sends) == 0 {
		b.sends = append(b.sends, sendForm)
	}
	b.sends = binary.BigEndian.AppendUint64(b.sends, uint64(endpoint))
	b.sends = binary.BigEndian.AppendUint64(b.sends, packSend(at, status))
	us := min(max(took.Microseconds(), 0), 1<<32-1)
	b.sends = binary.BigEndian.AppendUint32(b.sends, uint32(us))
	b.sends = append(b.sends, 0, 0, class, flags)
}

// eachSend reads a row of sends.
func eachSend(data []byte, f func(*send)) {
	var s send
	if len(data)%8 == 0 {
		for ; len(data) >= oldSendSize; data = data[oldSendSize:] {
			s = send{endpoint: key(binary.BigEndian.Uint64(data)), attempt: true, old: true}
			s.at, s.status = unpackSend(binary.BigEndian.Uint64(data[8:]))
			f(&s)
		}
		return
	}
	for data = data[1:]; len(data) >= sendSize; data = data[sendSize:] {
		s.endpoint = key(binary.BigEndian.Uint64(data))
		s.at, s.status = unpackSend(binary.BigEndian.Uint64(data[8:]))
		s.took = binary.BigEndian.Uint32(data[16:])
		s.class, s.final, s.attempt = data[22], data[23]&3, data[23]&sendAttempt != 0
		f(&s)
	}
}

// classes have a number in rows, which never changes; 0 is a success.
var classes = []Class{
	"", ClassStatus, ClassRedirect, ClassTimeout, ClassConnect, ClassReset, ClassDNS, ClassTLS,
	ClassProtocol, ClassBlocked, ClassRender, ClassUnknown, ClassCancelled,
}

const classOther = 255 // of a version that knows more of them

func classNumber(c Class) uint8 {
	for i, known := range classes {
		if c == known {
			return uint8(i)
		}
	}
	return classOther
}

func classOf(n uint8) Class {
	if int(n) < len(classes) {
		return classes[n]
	}
	return "other"
}
