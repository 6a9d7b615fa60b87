package store

import (
	"encoding/hex"
	"errors"
	"strconv"
	"strings"
)

// message is what a process tells others that share its database, after a
// commit. It is a hint: rows are the truth, and who did not hear it finds
// them a little later.
type message struct {
	kind               messageKind
	endpoint, delivery key
	due                int64 // grew: microseconds, from when on
	ask                int64 // number of the question that it is, or that it answers; 0: none
	n                  int64 // answer: attempts in flight
	text               string
}

// messageKind is a letter.
type messageKind byte

const (
	tellGrew          messageKind = 'g' // an endpoint's queue, from due on
	tellEndpoint      messageKind = 'e' // an endpoint was changed or deleted
	tellDelivery      messageKind = 'd' // a delivery was cancelled or made due
	tellRecovered     messageKind = 'r' // somebody takes a receiver to be back
	tellConfiguration messageKind = 'c' // the configuration's generation moved
	tellNodes         messageKind = 'n' // shards were freed or are wanted
	tellWaits         messageKind = 'w' // why do an endpoint's deliveries, or one of them, not go?
	tellAnswer        messageKind = 'a'
	tellMissed        messageKind = 'm' // there was more to tell than there was room for
	tellEcho          messageKind = 'o' // to oneself: whether anything arrives
)

// A payload is one line of text: the form, the slot of who tells, and the
// messages. Numbers are in base 36, texts in hexadecimal, fields are apart by dots.
const (
	messageForm  = "1."
	payloadBytes = 7900 // PostgreSQL takes less than 8,000
	textBytes    = 1000 // of a message; twice as many are sent
)

var errMessage = errors.New("it is not in a form that this version knows")

func (m *message) append(to []byte) []byte {
	fields := [...]int64{m.endpoint, m.delivery, m.due, m.ask, m.n}
	n := len(fields)
	for n > 0 && fields[n-1] == 0 && m.text == "" {
		n--
	}
	to = append(to, ',', byte(m.kind))
	for _, v := range fields[:n] {
		to = strconv.AppendInt(append(to, '.'), v, 36)
	}
	if m.text != "" {
		to = hex.AppendEncode(append(to, '.'), []byte(m.text))
	}
	return to
}

// appendPayloads packs messages into as few payloads as they fit in.
func appendPayloads(out []string, slot int, ms []message) []string {
	head := strconv.AppendInt([]byte(messageForm), int64(slot), 36)
	b := head
	for i := range ms {
		n := len(b)
		if b = ms[i].append(b); len(b) > payloadBytes {
			out = append(out, string(b[:n]))
			b = ms[i].append(b[:len(head)])
		}
	}
	return append(out, string(b))
}

// eachMessage reads a payload. What does not parse ends it.
func eachMessage(payload string, f func(slot int, m message)) error {
	payload, ok := strings.CutPrefix(payload, messageForm)
	if !ok {
		return errMessage
	}
	head, rest, more := strings.Cut(payload, ",")
	slot, err := strconv.ParseInt(head, 36, 16)
	if err != nil {
		return errMessage
	}
	for more {
		var text string
		text, rest, more = strings.Cut(rest, ",")
		m, err := readMessage(text)
		if err != nil {
			return err
		}
		f(int(slot), m)
	}
	return nil
}

func readMessage(text string) (m message, err error) {
	kind, rest, more := strings.Cut(text, ".")
	if len(kind) != 1 || !strings.Contains("gedrcnawmo", kind) {
		return m, errMessage
	}
	m.kind = messageKind(kind[0])
	fields := [...]*int64{&m.endpoint, &m.delivery, &m.due, &m.ask, &m.n}
	for i := 0; more; i++ {
		var v string
		v, rest, more = strings.Cut(rest, ".")
		if i == len(fields) && !more {
			text, err := hex.DecodeString(v)
			if err != nil {
				return m, errMessage
			}
			m.text = string(text)
			return m, nil
		}
		if i >= len(fields) {
			return m, errMessage
		}
		if *fields[i], err = strconv.ParseInt(v, 36, 64); err != nil {
			return m, errMessage
		}
	}
	return m, nil
}
