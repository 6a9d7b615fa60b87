package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// maxSeq bounds the event numbers of one run.
const maxSeq = 1 << 23

// receiver answers 200 and keeps when each event arrived first.
type receiver struct {
	arrivals   []atomic.Int64 // by event number, Unix nanoseconds
	count      atomic.Int64   // different numbered events
	duplicates atomic.Int64
	unnumbered atomic.Int64 // number 0: counted only
	foreign    atomic.Int64 // bodies without a number
	buffers    sync.Pool
}

type receiverCount struct{ Arrived, Duplicates, Unnumbered, Foreign int64 }

// runReceiver serves until its standard input ends, so it never outlives the
// process that started it. It prints its address first.
func runReceiver() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	r := &receiver{arrivals: make([]atomic.Int64, maxSeq)}
	r.buffers.New = func() any { b := make([]byte, 64<<10); return &b }
	mux := http.NewServeMux()
	mux.HandleFunc("POST /hook/{n}", r.hook)
	mux.HandleFunc("POST /slow/{delay}", r.slow)
	mux.HandleFunc("POST /refuse", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	mux.HandleFunc("POST /admin/reset", r.reset)
	mux.HandleFunc("GET /admin/count", r.counts)
	mux.HandleFunc("GET /admin/arrivals", r.dump)
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	return (&http.Server{Handler: mux}).Serve(l)
}

func (r *receiver) hook(w http.ResponseWriter, req *http.Request) {
	now := time.Now().UnixNano()
	buf := r.buffers.Get().(*[]byte)
	defer r.buffers.Put(buf)
	n, err := io.ReadFull(req.Body, *buf)
	if err != nil && err != io.ErrUnexpectedEOF && err != io.EOF {
		return
	}
	r.record(seqOf((*buf)[:n]), now)
}

func (r *receiver) record(seq int, now int64) {
	switch {
	case seq == 0:
		r.unnumbered.Add(1)
	case seq < 0 || seq >= len(r.arrivals):
		r.foreign.Add(1)
	case r.arrivals[seq].CompareAndSwap(0, now):
		r.count.Add(1)
	default:
		r.duplicates.Add(1)
	}
}

func (r *receiver) slow(w http.ResponseWriter, req *http.Request) {
	delay, err := time.ParseDuration(req.PathValue("delay"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.unnumbered.Add(1)
	select {
	case <-time.After(delay):
	case <-req.Context().Done():
	}
}

func (r *receiver) reset(http.ResponseWriter, *http.Request) {
	for i := range r.arrivals {
		r.arrivals[i].Store(0)
	}
	r.count.Store(0)
	r.duplicates.Store(0)
	r.unnumbered.Store(0)
	r.foreign.Store(0)
}

func (r *receiver) counts(w http.ResponseWriter, _ *http.Request) {
	_ = json.NewEncoder(w).Encode(receiverCount{r.count.Load(), r.duplicates.Load(), r.unnumbered.Load(), r.foreign.Load()})
}

// dump writes arrival times, eight bytes each, of the numbers from from up to until.
func (r *receiver) dump(w http.ResponseWriter, req *http.Request) {
	from, err1 := strconv.Atoi(req.FormValue("from"))
	until, err2 := strconv.Atoi(req.FormValue("until"))
	if err1 != nil || err2 != nil || from < 0 || until > len(r.arrivals) || from > until {
		http.Error(w, "from and until", http.StatusBadRequest)
		return
	}
	out := make([]byte, 0, 8*(until-from))
	for i := from; i < until; i++ {
		out = binary.LittleEndian.AppendUint64(out, uint64(r.arrivals[i].Load()))
	}
	_, _ = w.Write(out)
}
