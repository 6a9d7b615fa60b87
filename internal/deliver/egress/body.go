package egress

import (
	"errors"
	"io"
)

// framing is how an answer's body ends.
type framing uint8

const (
	fixed      framing = iota // after a known number of bytes
	chunked                   // after the last chunk
	untilClose                // with the connection
)

// bodyEnd is how far the body was read.
type bodyEnd uint8

const (
	bodyWhole  bodyEnd = iota
	bodyMore           // there is more than was to be kept
	bodyBroken         // the connection broke off or the framing is wrong
)

const (
	maxChunkLine = 256      // of a chunk's size line and of a trailer line
	maxOverhead  = 64 << 10 // bytes of size lines and trailers in one body
)

var errFraming = errors.New("chunked coding is malformed")

// body reads an answer's body piece by piece.
type body struct {
	in       *reader
	framing  framing
	left     int64 // of the whole (fixed) or of the current chunk
	inChunk  bool  // a chunk's data was begun: its line end follows
	overhead int
}

// next returns the next bytes there are, valid until the next call, or
// [io.EOF] at the proper end. They stay unread until take.
func (b *body) next() ([]byte, error) {
	if b.framing == chunked && b.left == 0 {
		if err := b.nextChunk(); err != nil {
			return nil, err
		}
	}
	if b.framing != untilClose && b.left == 0 {
		return nil, io.EOF
	}
	if b.in.buffered() == 0 {
		if err := b.in.fill(); err != nil {
			if err == io.EOF && b.framing != untilClose {
				err = io.ErrUnexpectedEOF
			}
			return nil, err
		}
	}
	p := b.in.buf[b.in.r:b.in.w]
	if b.framing != untilClose && int64(len(p)) > b.left {
		p = p[:b.left]
	}
	return p, nil
}

func (b *body) take(n int) {
	b.in.r += n
	if b.framing != untilClose {
		b.left -= int64(n)
	}
}

// nextChunk reads the line end of the chunk before and the next size line;
// after the last chunk it reads the trailers and returns [io.EOF].
func (b *body) nextChunk() error {
	if b.inChunk {
		line, err := b.line()
		if err != nil {
			return err
		}
		if len(line) != 0 {
			return errFraming
		}
	}
	line, err := b.line()
	if err != nil {
		return err
	}
	n, ok := chunkSize(line)
	if !ok {
		return errFraming
	}
	if n > 0 {
		b.left, b.inChunk = n, true
		return nil
	}
	for {
		line, err := b.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			b.framing = fixed // nothing is left
			return io.EOF
		}
	}
}

func (b *body) line() ([]byte, error) {
	line, err := b.in.line(maxChunkLine)
	if err != nil {
		return nil, err
	}
	if b.overhead += len(line) + 2; b.overhead > maxOverhead {
		return nil, errTooLong
	}
	return line, nil
}

// chunkSize reads the hexadecimal size; an extension is ignored.
func chunkSize(line []byte) (int64, bool) {
	var n int64
	i := 0
	for ; i < len(line); i++ {
		var d byte
		switch c := line[i]; {
		case c >= '0' && c <= '9':
			d = c - '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			d = c | 0x20 - 'a' + 10
		default:
			rest := line[i:]
			return n, i > 0 && (rest[0] == ';' || rest[0] == ' ' || rest[0] == '\t')
		}
		if i == 15 {
			return 0, false
		}
		n = n<<4 | int64(d)
	}
	return n, i > 0
}

// keep reads up to limit bytes and copies them. At the limit it does not wait
// to learn whether more follows.
func (b *body) keep(limit int) ([]byte, bodyEnd) {
	var kept []byte
	for {
		if len(kept) == limit && (b.framing != fixed || b.left > 0) {
			return kept, bodyMore
		}
		p, err := b.next()
		if err == io.EOF {
			return kept, bodyWhole
		}
		if err != nil {
			return kept, bodyBroken
		}
		p = p[:min(len(p), limit-len(kept))]
		if kept == nil {
			want := len(p)
			if b.framing == fixed {
				want = int(min(b.left, int64(limit), 4<<10))
			}
			kept = make([]byte, 0, max(want, len(p)))
		}
		kept = append(kept, p...)
		b.take(len(p))
	}
}

// drain reads and drops up to limit bytes. It returns whether there was
// anything, and whether the body ended within them.
func (b *body) drain(limit int) (more, ended bool) {
	for {
		p, err := b.next()
		if err != nil {
			return more, err == io.EOF
		}
		more = true
		if limit -= len(p); limit < 0 {
			return more, false
		}
		b.take(len(p))
	}
}
