package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// loadSpec is what the client process is told on its standard input.
type loadSpec struct {
	Addrs       []string // the connections in turn
	Key         string
	Clients     int
	Consumers   int           // events go to c00000 … in turn
	First       int           // number of the first event
	Duration    time.Duration // how long to send
	Rate        float64       // events a second, open loop; 0: as fast as answers come
	Idempotency string        // prefix of the keys; empty: none
	Out         string        // file for the times
}

// loadResult is what it prints; the times of each event are in the file:
// number, sent, accepted, eight bytes each.
type loadResult struct {
	Accepted   int
	Errors     int
	FirstError string
}

type sample struct{ seq, sent, accepted int64 }

func runLoad() error {
	var spec loadSpec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		return err
	}
	l := &loader{spec: spec}
	l.next.Store(int64(spec.First))
	samples, err := l.run()
	if err != nil {
		return err
	}
	out := make([]byte, 0, 24*len(samples))
	for _, s := range samples {
		for _, v := range [3]int64{s.seq, s.sent, s.accepted} {
			out = binary.LittleEndian.AppendUint64(out, uint64(v))
		}
	}
	if err := os.WriteFile(spec.Out, out, 0o600); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(loadResult{len(samples), int(l.errors.Load()), l.firstError})
}

type loader struct {
	spec       loadSpec
	next       atomic.Int64
	errors     atomic.Int64
	once       sync.Once
	firstError string
}

func (l *loader) run() ([]sample, error) {
	var posters []*poster
	for i := range l.spec.Clients {
		p, err := newPoster(&l.spec, l.spec.Addrs[i%len(l.spec.Addrs)])
		if err != nil {
			return nil, err
		}
		posters = append(posters, p)
	}
	due := make(chan time.Time, 1024)
	stop := make(chan struct{})
	if l.spec.Rate > 0 {
		go l.schedule(due)
	} else {
		time.AfterFunc(l.spec.Duration, func() { close(stop) })
	}
	results := make([][]sample, len(posters))
	var wg sync.WaitGroup
	for i, p := range posters {
		wg.Go(func() {
			defer p.conn.Close()
			if l.spec.Rate > 0 {
				for t := range due {
					l.post(p, t, &results[i])
				}
				return
			}
			for {
				select {
				case <-stop:
					return
				default:
					l.post(p, time.Now(), &results[i])
				}
			}
		})
	}
	wg.Wait()
	var all []sample
	for _, r := range results {
		all = append(all, r...)
	}
	return all, nil
}

// schedule hands out the times at which an event is due: an open loop, so a
// slow answer does not slow the clock down.
func (l *loader) schedule(due chan<- time.Time) {
	defer close(due)
	start := time.Now()
	gap := time.Duration(float64(time.Second) / l.spec.Rate)
	for at := start; at.Sub(start) < l.spec.Duration; at = at.Add(gap) {
		time.Sleep(time.Until(at))
		due <- time.Now()
	}
}

// post sends one event. sent is when it was due.
func (l *loader) post(p *poster, sent time.Time, into *[]sample) {
	seq := l.next.Add(1) - 1
	if seq >= maxSeq {
		l.fail(errors.New("more events than the receiver has room for"))
		return
	}
	if err := p.post(int(seq)); err != nil {
		l.fail(err)
		return
	}
	*into = append(*into, sample{seq, sent.UnixNano(), time.Now().UnixNano()})
}

func (l *loader) fail(err error) {
	l.errors.Add(1)
	l.once.Do(func() { l.firstError = err.Error() })
	time.Sleep(time.Millisecond) // a refusing server must not turn this into a busy loop
}

// poster is one keep-alive connection. It writes prepared bytes and parses
// only what it must, so that it takes little of the machine that it measures.
type poster struct {
	spec   *loadSpec
	addr   string
	conn   net.Conn
	read   *bufio.Reader
	tmpl   *eventTemplate
	head   []byte
	out    []byte
	answer []byte
}

func newPoster(spec *loadSpec, addr string) (*poster, error) {
	p := &poster{spec: spec, addr: addr, tmpl: newEventTemplate("bench.event")}
	p.head = fmt.Appendf(nil, "POST /v1/events HTTP/1.1\r\nHost: %s\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n",
		addr, spec.Key, len(p.tmpl.body))
	return p, p.dial()
}

func (p *poster) dial() (err error) {
	if p.conn, err = net.DialTimeout("tcp", p.addr, 5*time.Second); err == nil {
		p.read = bufio.NewReaderSize(p.conn, 8<<10)
	}
	return err
}

var madeOne = [2][]byte{[]byte(`"deliveries":1`), []byte(`"deliveries": 1`)}

// post sends one event and reads the whole answer, which must be a 202 that
// tells of one delivery.
func (p *poster) post(seq int) error {
	p.out = append(p.out[:0], p.head...)
	if p.spec.Idempotency != "" {
		p.out = append(p.out, "Idempotency-Key: "...)
		p.out = append(p.out, p.spec.Idempotency...)
		p.out = strconv.AppendInt(p.out, int64(seq), 10)
		p.out = append(p.out, "\r\n"...)
	}
	p.out = append(p.out, "\r\n"...)
	body := len(p.out)
	p.out = append(p.out, p.tmpl.body...)
	p.tmpl.put(p.out[body:], seq%p.spec.Consumers, seq)
	status, err := p.exchange()
	if err != nil {
		p.conn.Close()
		if derr := p.dial(); derr != nil {
			return derr
		}
		return err
	}
	if status != 202 || !bytes.Contains(p.answer, madeOne[0]) && !bytes.Contains(p.answer, madeOne[1]) {
		return fmt.Errorf("answer %d %.300s", status, p.answer)
	}
	return nil
}

func (p *poster) exchange() (status int, err error) {
	_ = p.conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err = p.conn.Write(p.out); err != nil {
		return 0, err
	}
	line, err := p.read.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < 12 {
		return 0, fmt.Errorf("answer starts with %q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length := -1
	for {
		line, err = p.read.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.EqualFold(name, []byte("content-length")) {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 || length > 1<<20 {
		return 0, fmt.Errorf("answer %d without a usable Content-Length", status)
	}
	if cap(p.answer) < length {
		p.answer = make([]byte, length)
	}
	p.answer = p.answer[:length]
	_, err = io.ReadFull(p.read, p.answer)
	return status, err
}
