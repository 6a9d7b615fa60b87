package main

import (
	"bytes"
	"fmt"
	"strconv"
)

// dataSize is the size of an event's data in bytes.
const dataSize = 1024

// seqMark comes before an event's number in its data. The number finds the
// event again at the receiver, whatever envelope it travelled in.
var seqMark = []byte(`"seq":"`)

const seqDigits = 10

// eventTemplate is a POST body with room for consumer and number.
type eventTemplate struct {
	body         []byte
	consumer, at int // offsets of the consumer's and the number's digits
}

const consumerDigits = 5

func newEventTemplate(eventType string) *eventTemplate {
	data := []byte(`{"seq":"0000000000","order":{"id":"9b1c8b52-7a55-4f0e-9f5e-0f3d1b2c4a66","currency":"BRL","total":1249.9,"customer":{"name":"João da Conceição","city":"São Paulo"},"items":[`)
	for i := 0; len(data) < dataSize-200; i++ {
		if i > 0 {
			data = append(data, ',')
		}
		data = fmt.Appendf(data, `{"sku":"SKU-%05d","quantity":%d,"price":%d.5,"gift":false,"note":null}`, i*37, i%3+1, i*11)
	}
	data = append(data, `]},"note":"`...)
	pad := dataSize - len(data) - 2
	data = append(data, bytes.Repeat([]byte{'x'}, pad)...)
	data = append(data, `"}`...)
	body := fmt.Appendf(nil, `{"type":%q,"consumer":"c00000","data":%s}`, eventType, data)
	return &eventTemplate{
		body:     body,
		consumer: bytes.Index(body, []byte(`"c00000"`)) + 2,
		at:       bytes.Index(body, seqMark) + len(seqMark),
	}
}

// put writes consumer and number into a copy of the template's body.
func (t *eventTemplate) put(body []byte, consumer, seq int) {
	putDigits(body[t.consumer:t.consumer+consumerDigits], consumer)
	putDigits(body[t.at:t.at+seqDigits], seq)
}

func putDigits(b []byte, n int) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + n%10)
		n /= 10
	}
}

// seqOf finds the number in a delivered body; -1: it has none.
func seqOf(body []byte) int {
	i := bytes.Index(body, seqMark)
	if i < 0 || len(body) < i+len(seqMark)+seqDigits {
		return -1
	}
	n, err := strconv.Atoi(string(body[i+len(seqMark) : i+len(seqMark)+seqDigits]))
	if err != nil {
		return -1
	}
	return n
}

func consumerName(n int) string { return fmt.Sprintf("c%05d", n) }
