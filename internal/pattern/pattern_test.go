package pattern

import (
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/malote-dev/malote/internal/lang"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var usual = Limits{Length: 1000, Insts: 2000, Work: 300_000}

func TestRefused(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]string{
		`[a-`:                      {"is no regular expression (RE2): a ] is missing after [a-", "não é uma expressão regular (RE2): falta um ] depois de [a-"},
		`[z-a]`:                    {"z-a is no class of characters; a class looks like [a-z] or \\d", "z-a não é uma classe de caracteres; uma classe tem a forma [a-z] ou \\d"},
		`\p{Nothing}`:              {`\p{Nothing} is no class`, `\p{Nothing} não é uma classe`},
		`(a)\1`:                    {`\1 is not known; a back reference`, `\1 não é conhecido; uma referência`},
		`(?P<a-b>a)`:               {"is no name of a group", "não é um nome de grupo"},
		`(?=a)`:                    {"(?= is not known; lookaround", "(?= não é conhecido; lookaround"},
		`(?<=a)`:                   {"(?<=a) is not known; lookaround", "(?<=a) não é conhecido; lookaround"},
		`*a`:                       {"* has nothing before it to repeat", "* não tem nada antes para repetir"},
		`a**`:                      {"** repeats a repetition", "** repete uma repetição"},
		`a{1001}`:                  {"{1001} repeats too often", "{1001} repete vezes demais"},
		`(a`:                       {"a ) is missing", "falta um )"},
		`a)`:                       {"there is a ) too many", "há um ) a mais"},
		`a\`:                       {"nothing follows the \\ at its end", "nada vem depois da \\ no fim"},
		"a\xff":                    {"it is not valid UTF-8", "não é UTF-8 válido"},
		`(ab|cd){1000}`:            {"is too large once its repetitions are written out", "é grande demais depois que as repetições são escritas por extenso"},
		`(?:` + x(990) + `){1000}`: {"is too large once", "é grande demais"},
		x(1001):                    {"has 1001 bytes; the limit is 1000", "tem 1001 bytes; o limite é 1000"},
		`(?i)[` + strings.Repeat("B-\U0001e942", 4) + `]`: {"takes too long to read", "demora demais para ser lida"},
	} {
		p, why := Compile(text, usual)
		if p != nil || !strings.Contains(why.String(), want[0]) || !strings.Contains(why.In(lang.Portuguese), want[1]) {
			t.Errorf("%.40s: %v, %s | %s", text, p, why, why.In(lang.Portuguese))
		}
	}
	for _, text := range []string{
		``, x(1000), `^[A-Z]{3}-[0-9]{4}$`, `(?i)^[a-z0-9._%+-]+@[a-z0-9.-]+\.[a-z]{2,}$`, `(?i)[à-ÿ\x{100}-\x{17f}]+`, `^\p{L}[\p{L}\p{N} .'-]*$`,
		`(?i)[\x{4e00}-\x{9fff}]`, `(?:(?:){10}){10}`, `a{0,900}`, `\\p\\P`, `(?i)a-\-`,
	} {
		if p, why := Compile(text, usual); p == nil || !why.IsZero() {
			t.Errorf("%.40s: %s", text, why)
		}
	}
}

func x(n int) string { return strings.Repeat("x", n) }

// TestWork: what is reckoned grows with what a parse takes.
func TestWork(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{
		``: 0, `abc`: 30, `\pL`: 30 + workOfClass, `\\pL`: 40, `\`: 10, `a-z`: 30,
		`(?i)a-z`: 70 + 'z', `(?i)à-ÿ`: 90 + 'ÿ' - 'à', `(?i)a-\x{ff}`: 120 + 255, `(?i)a-\x{110000}`: 160 + maxFold, `(?i)a-\x{zz}`: 120 + maxFold,
		`(?i)a-\-`: 80 + 0o777, `(?i)-`: 50 + 0xfffd, `(?s-i)a-z`: 90 + 'i' + 'z', `(?i)[^-]`: 80 + ']',
	} {
		if got := Work(text); got != want {
			t.Errorf("%s: %d, want %d", text, got, want)
		}
	}
}

// FuzzCompile: whatever the text, no more time than the bounds stand for; and
// what is taken is what the standard library takes.
func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		`(?i)[B-\x{1e942}]`, `[\pL\PN]`, `(a|b){10}`, `^(?:\pL|\pN)*$`, `(?i:[à-ÿ])`, `\Q(?i)-\E`, `(?i)[a--\x{ffff}]`, `((((a{9}){9}){9}))`, `(?P<n>[[:alpha:]])`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		began := time.Now()
		p, why := Compile(text, usual)
		if took := time.Since(began); took > time.Second {
			t.Errorf("%q took %v, reckoned with %d", text, took, Work(text))
		}
		if (p == nil) == why.IsZero() {
			t.Errorf("%q: neither or both: %s", text, why)
		}
		if !why.IsZero() && strings.Contains(why.In(lang.Portuguese), "%!") {
			t.Error(why.In(lang.Portuguese))
		}
	})
}
