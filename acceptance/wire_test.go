package acceptance

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// wire is a receiver that keeps the bytes as they came: no HTTP library
// between, so that names are seen as they were spelled.
type wire struct {
	url   string
	mu    sync.Mutex
	inbox map[string]chan *raw
	plans map[string][]int // answers by path; the last one stays
}

// raw is one request as it stood on the wire.
type raw struct {
	line   string
	fields [][2]string
	body   []byte
}

func (r *raw) value(name string) string {
	for _, f := range r.fields {
		if f[0] == name {
			return f[1]
		}
	}
	return ""
}

func (r *raw) names() []string {
	var out []string
	for _, f := range r.fields {
		out = append(out, f[0])
	}
	return out
}

// listenWire serves until the test ends.
func listenWire(t *testing.T) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{url: "http://" + l.Addr().String(), inbox: map[string]chan *raw{}, plans: map[string][]int{}}
	var wg sync.WaitGroup
	var mu sync.Mutex
	open := map[net.Conn]bool{}
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			open[c] = true
			mu.Unlock()
			wg.Go(func() { w.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return w
}

func (w *wire) serve(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	for {
		r, err := readRaw(in)
		if err != nil {
			return
		}
		f := strings.Fields(r.line)
		if len(f) != 3 {
			return
		}
		w.box(f[1]) <- r
		if _, err := fmt.Fprintf(c, "HTTP/1.1 %d Answer\r\nContent-Length: 2\r\nX-Receiver: wire\r\n\r\nok", w.answer(f[1])); err != nil {
			return
		}
	}
}

func readRaw(in *bufio.Reader) (*raw, error) {
	line, err := in.ReadString('\n')
	if err != nil {
		return nil, err
	}
	r := &raw{line: strings.TrimRight(line, "\r\n")}
	length := 0
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			break
		}
		name, value, _ := strings.Cut(line, ": ")
		r.fields = append(r.fields, [2]string{name, value})
		if strings.EqualFold(name, "content-length") {
			if length, err = strconv.Atoi(value); err != nil {
				return nil, err
			}
		}
	}
	r.body = make([]byte, length)
	_, err = io.ReadFull(in, r.body)
	return r, err
}

func (w *wire) box(path string) chan *raw {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.inbox[path] == nil {
		w.inbox[path] = make(chan *raw, 1000)
	}
	return w.inbox[path]
}

// plan says with which statuses a path answers, one after the other.
func (w *wire) plan(path string, statuses ...int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.plans[path] = statuses
}

func (w *wire) answer(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := w.plans[path]
	if len(p) == 0 {
		return 200
	}
	if len(p) > 1 {
		w.plans[path] = p[1:]
	}
	return p[0]
}

func (w *wire) next(t *testing.T, path string) *raw {
	t.Helper()
	select {
	case r := <-w.box(path):
		return r
	case <-time.After(patience):
		t.Fatalf("nothing arrived at %s%s", w.url, path)
		return nil
	}
}

func (r *raw) String() string {
	var b bytes.Buffer
	fmt.Fprintln(&b, r.line)
	for _, f := range r.fields {
		fmt.Fprintf(&b, "%s: %s\n", f[0], f[1])
	}
	fmt.Fprintf(&b, "\n%s", r.body)
	return b.String()
}
