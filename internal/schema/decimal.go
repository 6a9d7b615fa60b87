package schema

import (
	"math"
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// decimal is a JSON number as it is compared: digits times ten to the exp.
// Numbers such as 1e999999999 cost no more than others: nothing is expanded.
type decimal struct {
	sign   int // -1, 0, 1
	digits string
	exp    int // saturates
}

const farExponent = 1 << 40

// parseDecimal reads the text of a JSON number.
func parseDecimal(text string) decimal {
	d := decimal{sign: 1}
	if text[0] == '-' {
		d.sign, text = -1, text[1:]
	}
	if at := strings.IndexAny(text, "eE"); at >= 0 {
		d.exp = parseExponent(text[at+1:])
		text = text[:at]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	d.exp -= len(fraction)
	all := strings.TrimLeft(whole+fraction, "0")
	d.digits = strings.TrimRight(all, "0")
	d.exp += len(all) - len(d.digits)
	if d.digits == "" {
		return decimal{}
	}
	return d
}

func parseExponent(text string) int {
	n, sign := 0, 1
	switch text[0] {
	case '-':
		sign, text = -1, text[1:]
	case '+':
		text = text[1:]
	}
	for i := range len(text) {
		if n = n*10 + int(text[i]-'0'); n > farExponent {
			n = farExponent
		}
	}
	return sign * n
}

// integer reports whether there is nothing behind the point.
func (d decimal) integer() bool { return d.exp >= 0 }

// cmp compares as numbers are compared.
func (d decimal) cmp(o decimal) int {
	switch {
	case d.sign != o.sign:
		return compare(d.sign, o.sign)
	case d.sign == 0:
		return 0
	}
	if a, b := len(d.digits)+d.exp, len(o.digits)+o.exp; a != b {
		return d.sign * compare(a, b)
	}
	return d.sign * strings.Compare(d.digits, o.digits) // 0.5 and 0.51: a prefix is less
}

func compare(a, b int) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// multipleOf reports whether d divided by a positive o is a whole number.
func (d decimal) multipleOf(o decimal) bool {
	k := d.exp - o.exp
	switch {
	case d.sign == 0:
		return true
	case k < 0: // its digits do not end in 0, and would have to
		return false
	}
	by, _ := new(big.Int).SetString(o.digits, 10)
	if k <= fewZeros {
		n, _ := new(big.Int).SetString(d.digits+zeros[:k], 10)
		return n.Mod(n, by).Sign() == 0
	}
	n, _ := new(big.Int).SetString(d.digits, 10)
	ten := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(k)), by)
	return n.Mul(n.Mod(n, by), ten).Mod(n, by).Sign() == 0
}

// zeros are written out where a multiple has few of them.
const (
	zeros    = "00000000000000000000"
	fewZeros = len(zeros)
)

// multipleSteps is what [decimal.multipleOf] costs.
func (d decimal) multipleSteps(o decimal) int {
	words := len(d.digits) / 19
	n := 4 + words*words/16
	if k := d.exp - o.exp; k > fewZeros {
		n += 8 * bits.Len(uint(k))
	}
	return n
}

// whole is a number that is whole and not negative as an int, the largest one
// where it is larger.
func (d decimal) whole() int {
	n, err := strconv.Atoi(d.digits + strings.Repeat("0", min(max(d.exp, 0), 20)))
	switch {
	case d.sign == 0:
		return 0
	case err != nil:
		return math.MaxInt
	}
	return n
}

// limit is a number in a schema.
type limit struct {
	decimal
	text string
}

// limitOf is the limit that a keyword sets; nil: it is not there.
func limitOf(v *value) *limit {
	if v == nil {
		return nil
	}
	return &limit{parseDecimal(v.text), v.text}
}
