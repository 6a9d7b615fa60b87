package store

import (
	"encoding/binary"
	"errors"
	"strings"
	"time"
)

// Attempts are kept as bytes: many fields, most of them empty, read only as a
// whole. The first byte is the version of the form.
const (
	attemptForm    = 1
	attemptNumbers = 8
)

var errAttempt = errors.New("a kept attempt does not decode")

const (
	attemptTruncated = 1 << iota
	attemptReused
	attemptInterrupted // alone: such an attempt has nothing else
)

func appendAttempt(dst []byte, a *Attempt) []byte {
	flags := byte(0)
	if a.Truncated {
		flags |= attemptTruncated
	}
	if a.Timings.Reused {
		flags |= attemptReused
	}
	if a.Interrupted {
		flags |= attemptInterrupted
	}
	dst = append(dst, attemptForm, flags)
	for _, n := range []int64{
		int64(a.Number), micros(a.At), int64(a.Status),
		int64(a.Timings.DNS), int64(a.Timings.Connect), int64(a.Timings.TLS), int64(a.Timings.FirstByte), int64(a.Timings.Total),
	} {
		dst = binary.AppendVarint(dst, n)
	}
	for _, b := range [][]byte{[]byte(a.Class), []byte(a.Detail), a.RequestHead, a.ResponseHead, a.ResponseBody} {
		dst = binary.AppendUvarint(dst, uint64(len(b)))
		dst = append(dst, b...)
	}
	return dst
}

// readAttempt is the reverse of appendAttempt.
func readAttempt(data []byte) (*Attempt, error) {
	if len(data) < 2 || data[0] != attemptForm {
		return nil, errAttempt
	}
	flags := data[1]
	data = data[2:]
	var nums [attemptNumbers]int64
	for i := range nums {
		v, n := binary.Varint(data)
		if n <= 0 {
			return nil, errAttempt
		}
		nums[i], data = v, data[n:]
	}
	var parts [5][]byte
	for i := range parts {
		size, n := binary.Uvarint(data)
		if n <= 0 || size > uint64(len(data)-n) {
			return nil, errAttempt
		}
		if size > 0 {
			parts[i] = append([]byte(nil), data[n:n+int(size)]...)
		}
		data = data[n+int(size):]
	}
	if len(data) > 0 {
		return nil, errAttempt
	}
	return &Attempt{
		Number: int(nums[0]), At: fromMicros(nums[1]), Status: int(nums[2]),
		Timings: Timings{
			DNS: time.Duration(nums[3]), Connect: time.Duration(nums[4]), TLS: time.Duration(nums[5]),
			FirstByte: time.Duration(nums[6]), Total: time.Duration(nums[7]), Reused: flags&attemptReused != 0,
		},
		Class: Class(parts[0]), Detail: string(parts[1]),
		RequestHead: parts[2], ResponseHead: parts[3], ResponseBody: parts[4],
		Truncated: flags&attemptTruncated != 0, Interrupted: flags&attemptInterrupted != 0,
	}, nil
}

// attemptWhy is how much of a kept attempt [whyFailed] reads, in bytes.
const attemptWhy = 4096

// whyFailed reads the class and the words out of the beginning of a kept
// attempt; none where it does not decode.
func whyFailed(head []byte) (class Class, detail string) {
	if len(head) < 2 || head[0] != attemptForm {
		return "", ""
	}
	head = head[2:]
	for range attemptNumbers {
		_, n := binary.Varint(head)
		if n <= 0 {
			return "", ""
		}
		head = head[n:]
	}
	var parts [2]string
	for i := range parts {
		size, n := binary.Uvarint(head)
		if n <= 0 {
			return "", ""
		}
		head = head[n:]
		cut := int(min(size, uint64(len(head))))
		parts[i], head = string(head[:cut]), head[cut:]
	}
	return Class(parts[0]), strings.ToValidUTF8(parts[1], "")
}
