package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// call is one system call of a trace. Its effect lies between enter and
// leave, positions in the trace; leave is 0 if it never returned.
type call struct {
	name   string
	path   string // of the file descriptor, or the path argument
	to     string // rename: the new path
	data   []byte
	offset int64 // pwrite64; ftruncate: the new size
	create bool  // openat with O_CREAT
	enter  int
	leave  int
	ret    int64
}

// tracedCalls is what a replay needs to see.
const tracedCalls = "open,openat,creat,pwrite64,write,fdatasync,fsync,ftruncate,rename,renameat,renameat2,unlink,unlinkat"

// readTrace reads what strace -f -y -x wrote, in the order of entry.
func readTrace(r io.Reader) ([]*call, error) {
	var out []*call
	open := map[string]*call{} // by thread: entered, not left
	rest := map[string][]byte{}
	scan := bufio.NewScanner(r)
	scan.Buffer(make([]byte, 1<<20), 256<<20)
	for at := 1; scan.Scan(); at++ {
		thread, line, ok := bytes.Cut(scan.Bytes(), []byte(" "))
		if !ok {
			continue
		}
		line = bytes.TrimLeft(line, " ")
		pid := string(thread)
		switch {
		case bytes.HasPrefix(line, []byte("+++")), bytes.HasPrefix(line, []byte("---")):
			continue
		case bytes.HasPrefix(line, []byte("<... ")):
			c := open[pid]
			if c == nil {
				continue
			}
			_, tail, _ := bytes.Cut(line, []byte("resumed>"))
			c.leave = at
			if err := c.parse(append(rest[pid], tail...)); err != nil {
				return nil, fmt.Errorf("line %d: %w", at, err)
			}
			delete(open, pid)
		default:
			c := &call{enter: at}
			out = append(out, c)
			if head, unfinished := bytes.CutSuffix(line, []byte(" <unfinished ...>")); unfinished {
				if err := c.parse(head); err != nil {
					return nil, fmt.Errorf("line %d: %w", at, err)
				}
				open[pid], rest[pid] = c, bytes.Clone(head)
				continue
			}
			c.leave = at
			if err := c.parse(line); err != nil {
				return nil, fmt.Errorf("line %d: %w", at, err)
			}
		}
	}
	return out, scan.Err()
}

// parse reads "name(arguments) = result", or its beginning.
func (c *call) parse(line []byte) error {
	name, args, ok := bytes.Cut(line, []byte("("))
	if !ok {
		return fmt.Errorf("no call in %.80q", line)
	}
	c.name = string(name)
	c.ret = result(args)
	switch c.name {
	case "pwrite64", "write":
		c.path = between(args, '<', '>')
		data, tail, err := quoted(args)
		if err != nil {
			return err
		}
		c.data = data
		if c.name == "pwrite64" {
			c.offset = number(tail, 1)
		}
	case "fdatasync", "fsync":
		c.path = between(args, '<', '>')
	case "ftruncate":
		c.path = between(args, '<', '>')
		_, tail, _ := bytes.Cut(args, []byte(">"))
		c.offset = number(tail, 0)
	case "open", "openat", "creat":
		path, tail, err := quoted(args)
		if err != nil {
			return err
		}
		c.path, c.create = string(path), c.name == "creat" || bytes.Contains(tail, []byte("O_CREAT"))
	case "unlink", "unlinkat":
		path, _, err := quoted(args)
		if err != nil {
			return err
		}
		c.path = string(path)
	case "rename", "renameat", "renameat2":
		from, tail, err := quoted(args)
		if err != nil {
			return err
		}
		to, _, err := quoted(tail)
		if err != nil {
			return err
		}
		c.path, c.to = string(from), string(to)
	}
	return nil
}

// result is what stands after the last "= "; -1 where nothing does.
func result(args []byte) int64 {
	i := bytes.LastIndex(args, []byte(") = "))
	if i < 0 {
		i = bytes.LastIndex(args, []byte("= "))
		if i < 0 {
			return -1
		}
		i -= 2
	}
	f := strings.Fields(string(args[i+4:]))
	if len(f) == 0 {
		return -1
	}
	text, _, _ := strings.Cut(f[0], "<")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

func between(b []byte, open, end byte) string {
	i := bytes.IndexByte(b, open)
	if i < 0 {
		return ""
	}
	j := bytes.IndexByte(b[i:], end)
	if j < 0 {
		return ""
	}
	return string(b[i+1 : i+j])
}

// number is the nth (from 0) number in ", a, b)".
func number(tail []byte, n int) int64 {
	parts := bytes.Split(bytes.Trim(tail, ", "), []byte(","))
	if n >= len(parts) {
		return -1
	}
	text, _, _ := bytes.Cut(bytes.TrimSpace(parts[n]), []byte(")"))
	v, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil {
		return -1
	}
	return v
}

// quoted reads the first C string literal and returns what comes after it.
func quoted(b []byte) (value, tail []byte, err error) {
	i := bytes.IndexByte(b, '"')
	if i < 0 {
		return nil, nil, fmt.Errorf("no string in %.80q", b)
	}
	b = b[i+1:]
	out := make([]byte, 0, len(b)/4)
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			tail = b[i+1:]
			if bytes.HasPrefix(tail, []byte("...")) {
				return nil, nil, fmt.Errorf("string was cut by the tracer: %.80q", b)
			}
			return out, tail, nil
		case '\\':
			c, n, err := escape(b[i+1:])
			if err != nil {
				return nil, nil, err
			}
			out = append(out, c)
			i += n
		default:
			out = append(out, b[i])
		}
	}
	return nil, nil, fmt.Errorf("string without an end: %.80q", b)
}

var simpleEscapes = map[byte]byte{'n': '\n', 't': '\t', 'r': '\r', 'v': '\v', 'f': '\f', '"': '"', '\\': '\\'}

// escape reads what stands after a backslash, and how long it is.
func escape(b []byte) (value byte, n int, err error) {
	if len(b) == 0 {
		return 0, 0, fmt.Errorf("string ends in an escape")
	}
	if v, ok := simpleEscapes[b[0]]; ok {
		return v, 1, nil
	}
	if b[0] == 'x' && len(b) >= 3 {
		hi, ok1 := hexDigit(b[1])
		lo, ok2 := hexDigit(b[2])
		if ok1 && ok2 {
			return hi<<4 | lo, 3, nil
		}
	}
	v := 0
	for n < 3 && n < len(b) && b[n] >= '0' && b[n] <= '7' {
		v = v<<3 | int(b[n]-'0')
		n++
	}
	if n == 0 {
		return 0, 0, fmt.Errorf("unknown escape %.4q", b)
	}
	return byte(v), n, nil
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	}
	return 0, false
}
