package pattern

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Units of [Work], of about 30 ns.
const (
	workOfByte   = 10
	workOfClass  = 3000 // such as \p{L}: hundreds of ranges, which a class around it sorts again
	workOfFolded = 5000 // where upper and lower case are alike
	maxFold      = 0x1e943
)

// folds is what switches to upper and lower case alike.
var folds = regexp.MustCompile(`\(\?[a-zA-Z-]*i`)

// Work reckons from the text of a regular expression what parsing it costs at
// most. What makes it cost more than its length says: the classes of Unicode,
// and where upper and lower case are alike the ranges, of which each character
// is looked at.
func Work(text string) int {
	n := workOfByte * len(text)
	fold := folds.MatchString(text)
	class := workOfClass
	if fold {
		class = workOfFolded
	}
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 < len(text):
			if i++; text[i] == 'p' || text[i] == 'P' {
				n += class
			}
		case text[i] == '-' && fold:
			n += max(0, min(rangeEnd(text[i+1:]), maxFold)-rangeStart(text[:i]))
		}
	}
	return n
}

// rangeStart is where a range begins at the earliest whose sign stands after a
// text.
func rangeStart(before string) int {
	if r, _ := utf8.DecodeLastRuneInString(before); r >= utf8.RuneSelf && r != utf8.RuneError {
		return int(r)
	}
	return 0 // or an escape
}

// rangeEnd is where a range ends at the latest whose sign stands before a
// text.
func rangeEnd(after string) int {
	escape, ok := strings.CutPrefix(after, `\`)
	if !ok {
		r, _ := utf8.DecodeRuneInString(after)
		return int(r)
	}
	digits, ok := strings.CutPrefix(escape, "x{")
	if !ok {
		return 0o777 // the last that has a short escape
	}
	digits, _, _ = strings.Cut(digits, "}")
	n, err := strconv.ParseUint(digits, 16, 32)
	if err != nil {
		return utf8.MaxRune // or no regular expression
	}
	return int(min(n, utf8.MaxRune))
}
