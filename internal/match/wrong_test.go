package match

import (
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/malote-dev/malote/internal/lang"
)

// TestWrongFilters reads as the answers do: a filter, and what is said of it
// in both languages.
func TestWrongFilters(t *testing.T) {
	t.Parallel()
	for _, c := range [][3]string{
		{`data.amount >`, `line 1, column 14: is not an expression: it ends too early, something is missing at its end`, `linha 1, coluna 14: não é uma expressão: termina cedo demais, falta algo no fim`},
		{`(data.a == 1`, `line 1, column 13: is not an expression: a ) is missing at its end`, `linha 1, coluna 13: não é uma expressão: falta um ) no fim`},
		{`data.a = 5`, `line 1, column 8: is not an expression: = is not known; write ==`, `linha 1, coluna 8: não é uma expressão: = não é conhecido; escreva ==`},
		{`data.a === 5`, `line 1, column 10: is not an expression: === is not known; write ==`, `linha 1, coluna 10: não é uma expressão: === não é conhecido; escreva ==`},
		{`data.a and data.b`, `line 1, column 8: is not an expression: and is not known; write &&`, `linha 1, coluna 8: não é uma expressão: and não é conhecido; escreva &&`},
		{`not data.a`, `line 1, column 5: is not an expression: not is not known; write !`, `linha 1, coluna 5: não é uma expressão: not não é conhecido; escreva !`},
		{`data.a == “x”`, `line 1, column 11: is not an expression: “ is no quotation mark here; write "`, `linha 1, coluna 11: não é uma expressão: “ não vale como aspas aqui; escreva "`},
		{`data.a == "x`, `line 1, column 11: is not an expression: the text that begins here has no end; close it with "`, `linha 1, coluna 11: não é uma expressão: o texto que começa aqui não tem fim; feche-o com "`},
		{`data.a == "\q"`, `line 1, column 11: is not an expression: the text that begins here holds an escape that is not known; a \ is written \\`, `linha 1, coluna 11: não é uma expressão: o texto que começa aqui contém um escape desconhecido; uma \ se escreve \\`},
		{"data.a == 1\n  && $x", `line 2, column 6: is not an expression: $ is not expected here`, `linha 2, coluna 6: não é uma expressão: $ não é esperado aqui`},
		{`amount > 5`, `line 1, column 1: 'amount' is not known; the variables are event and data, as in data.amount > 100`, `linha 1, coluna 1: 'amount' não é conhecido; as variáveis são event e data, como em data.amount > 100`},
		{`event.kind == 1`, `line 1, column 6: event has type, consumer, time and channels, as in event.type; what the event carries is in data`, `linha 1, coluna 6: event tem type, consumer, time e channels, como em event.type; o conteúdo do evento está em data`},
		{`data.a.lower() == "x"`, `line 1, column 8: lower is no function; there are has, exists, exists_one, all, map, filter, size, contains, startsWith, endsWith, matches, int, double, string, bool, timestamp, duration and getHours with its like`, `linha 1, coluna 8: lower não é uma função; existem has, exists, exists_one, all, map, filter, size, contains, startsWith, endsWith, matches, int, double, string, bool, timestamp, duration e getHours com as semelhantes`},
		{`data.items.exists(x)`, `line 1, column 12: exists does not take 1 value; it is used as in data.items.exists(i, i.sku == "A-1")`, `linha 1, coluna 12: exists não recebe 1 valor; usa-se como em data.items.exists(i, i.sku == "A-1")`},
		{`data.items.exists(x, y, z)`, `line 1, column 12: exists does not take 3 values; it is used as in data.items.exists(i, i.sku == "A-1")`, `linha 1, coluna 12: exists não recebe 3 valores; usa-se como em data.items.exists(i, i.sku == "A-1")`},
		{`has()`, `line 1, column 1: has does not take 0 values; it is used as in has(data.paid)`, `linha 1, coluna 1: has não recebe 0 valor; usa-se como em has(data.paid)`},
		{`data.has("x")`, `line 1, column 6: has is not used in this way; it is used as in has(data.paid)`, `linha 1, coluna 6: has não se usa dessa forma; usa-se como em has(data.paid)`},
		{`startsWith(data.a, "x")`, `line 1, column 1: startsWith is not used in this way; it is used as in data.name.startsWith("x")`, `linha 1, coluna 1: startsWith não se usa dessa forma; usa-se como em data.name.startsWith("x")`},
		{`data.a.startsWith("x", "y")`, `line 1, column 8: startsWith does not take 2 values; it is used as in data.name.startsWith("x")`, `linha 1, coluna 8: startsWith não recebe 2 valores; usa-se como em data.name.startsWith("x")`},
		{`event.type.contains(5)`, `line 1, column 12: contains does not work with a string, a whole number; it is used as in data.name.contains("x")`, `linha 1, coluna 12: contains não funciona com uma string, um número inteiro; usa-se como em data.name.contains("x")`},
		{`event.type > 5`, `line 1, column 12: > does not work with a string and a whole number; take two of one kind, or convert one with int, double, string or timestamp`, `linha 1, coluna 12: > não funciona com uma string e um número inteiro; use dois do mesmo tipo, ou converta um com int, double, string ou timestamp`},
		{`!event.type`, `line 1, column 1: ! does not work with a string`, `linha 1, coluna 1: ! não funciona com uma string`},
		{`5 in event.type`, `line 1, column 3: in does not find a whole number in a string; it looks for what is of the kind of an array's items, or for a name in an object, as in "br" in event.channels`, `linha 1, coluna 3: in não encontra um número inteiro em uma string; procura o que é do tipo dos itens de um array, ou um nome em um objeto, como em "br" in event.channels`},
		{`event.type && true`, `line 1, column 6: is a string, where true or false is needed; compare it with something, as in event.type == "order.paid"`, `linha 1, coluna 6: é uma string, onde se precisa de verdadeiro ou falso; compare com algo, como em event.type == "order.paid"`},
		{`event.channels["a"] == "x"`, `line 1, column 15: [ ] does not work with an array and a string; an array takes a whole number, as in data.items[0], an object a name, as in data["name"]`, `linha 1, coluna 15: [ ] não funciona com um array e uma string; um array recebe um número inteiro, como em data.items[0], e um objeto, um nome, como em data["name"]`},
		{`event.type.exists(x, x == "a")`, `line 1, column 6: is a string, which has no items to go through; exists, all, map and filter take an array or an object`, `linha 1, coluna 6: é uma string, que não tem itens a percorrer; exists, all, map e filter recebem um array ou um objeto`},
		{`event.type.x == 1`, `line 1, column 11: a string has no fields: nothing can follow it after a dot`, `linha 1, coluna 11: uma string não tem campos: nada pode vir depois de um ponto`},
		{`for == 1`, `line 1, column 1: for is a reserved word and no name; a field of this name is data["for"]`, `linha 1, coluna 1: for é uma palavra reservada e não um nome; um campo com esse nome é data["for"]`},
		{`data.a == 99999999999999999999`, `line 1, column 11: is a number that is too large`, `linha 1, coluna 11: é um número grande demais`},
		{`data.items.exists("i", true)`, `line 1, column 19: is no name for an item; write one, as the i in data.items.exists(i, i.sku == "A-1")`, `linha 1, coluna 19: não é um nome para um item; escreva um, como o i em data.items.exists(i, i.sku == "A-1")`},
		{`has(data)`, `line 1, column 5: has asks for a field, as in has(data.paid)`, `linha 1, coluna 5: has pergunta por um campo, como em has(data.paid)`},
		{`1 + 1`, `is a whole number; a filter is true or false`, `é um número inteiro; um filtro é verdadeiro ou falso`},
		{`data.a`, `may be any value; compare it, as in data.paid == true, so that it is true or false`, `pode ser qualquer valor; compare-o, como em data.paid == true, para que seja verdadeiro ou falso`},
		{``, `is empty; write an expression, as in data.amount > 100`, `está vazio; escreva uma expressão, como em data.amount > 100`},
	} {
		bad := wrong(t, c[0])
		if got := bad.Words().String(); got != c[1] {
			t.Errorf("%s\n got %s\nwant %s", c[0], got, c[1])
		}
		if got := bad.Words().In(lang.Portuguese); got != c[2] {
			t.Errorf("%s\n got %s\nwant %s", c[0], got, c[2])
		}
	}
}

func wrong(t *testing.T, text string) *FilterError {
	t.Helper()
	_, err := Compile(text)
	var bad *FilterError
	if !errors.As(err, &bad) {
		t.Fatalf("%s: %v", text, err)
	}
	return bad
}

// mistakes are filters that people get wrong.
func mistakes() []string {
	return []string{
		``, ` `, "\n", `data.amount >`, `data.amount > > 5`, `data.a = 5`, `data.a === 5`, `data.a & data.b`, `data.a && `, `&& data.a`, `data.a or data.b`, `NOT data.a`,
		`data.a | data.b`, `(data.a == 1`, `data.a == 1)`, `data.a == "x`, `data.a == 'x`, `data.[0]`, `data..a`, `data.a[`, `data.a[0`, `data.items.exists(`, `data.items.exists(i, )`,
		`data.items.exists(i i)`, `1abc == 2`, `data.a == 1;`, `data.a == 1 # x`, `data.a == "\q"`, `data.a == '\ud800'`, `data.a == 99999999999999999999`, `data.a == 1e999`, `data.a == -99999999999999999999u`,
		`data.a == 0x`, `if data.a`, `for == 1`, `data.a == {`, `data.a == {a}`, `data.a == [1,`, `data.a == {"a": 1`, `data.a ?? 1`, `data.a?.b == 1`, `data[?"a"] == 1`, `{?"a": 1} == data`, `@x`, `data.a => 1`,
		`data.a <> 1`, `data.a ! = 1`, `é == 1`, `data.é == 1`, `data.a == “x”`, "data.a == \x01", "data.a == \"a\nb\"", `event == 1`, `event.kind == 1`, `event.type.x == 1`, `data.x.y.z()`, `sleep(5)`,
		`data.a.startsWith()`, `data.items.exists()`, `exists(data.items, i, i == 1)`, `data.items.map(x)`, `data.items.filter(x)`, `data.items.all(x, x.y, z)`, `data.items.exists_one(x)`, `data.items.exists(i.a, i.a == 1)`,
		`data.items.map("i", true)`, `data.items.exists(__result__, true)`, `has(data.a, data.b)`, `has("x")`, `has()`, `size() == 1`, `size(1, 2) == 1`, `size(1) == 1`, `data.size(1) == 2`, `int() == 1`,
		`int("1", 2) == 1`, `int(event.channels) == 1`, `event.type == 5`, `event.type + 1 == "x"`, `-event.type == 1`, `event.type ? true : false`, `true ? 1 : "x"`, `5 in event.channels`, `"a" in "abc"`, `event.time > 5`,
		`event.time > "2026-01-01"`, `event.type.getHours() == 1`, `event.time.getHours(1) == 1`, `1.exists(x, true)`, `timestamp("x").foo == 1`, `timestamp(1, 2) == event.time`, `1u + 1 == 2`, `b"x" + "x" == "x"`, `duration("1s") > 5`,
		`foo.Bar{a: 1} == data`, `Foo{} == data`, `google.protobuf.Timestamp{} == data`, `data.a`, `1 + 1`, `"x"`, `null`, `[1]`, `{"a":1}`, `event.time`, `type(data)`, `duration("1s")`, `b"x"`, `1u`, `1.5`, `1 + 1.0 == 2.0`, `string == "x"`,
		`event.channels.exists(c, c == 5)`, `event.channels.exists(c, c)`, `event.channels.map(c, c)`, `event.channels.filter(c, c)`, `event.channels.all(c, 1)`, `data.a.matches("[")`, `data.a.matches("(?<=a)b")`, `data.a.matches("a**")`,
		`data.a.matches()`, `data.a.matches(data.b)`, `data.a.matches(1)`, `matches(data.a, "x", 1)`, `data.a.matches("` + strings.Repeat("a", 257) + `")`, `data.a == "` + strings.Repeat("a", 2048) + `"`,
		strings.Repeat("(", 60) + "true" + strings.Repeat(")", 60), strings.Repeat("[", 30) + strings.Repeat("1,", 950) + "1" + strings.Repeat("]", 30),
		`data.a.exists(a, data.a.exists(b, data.a.exists(c, data.a.exists(d, data.a.exists(e, true)))))`, strings.Repeat(`data.a.exists(a, true) && `, 17) + `true`, `data.items.map(i, i.n)[0]`, `google.protobuf.Any == 1`,
	}
}

var letters = regexp.MustCompile(`\pL[\pL\pN_-]*`)

// translated are all words of the translations.
func translated(tb testing.TB) map[string]bool {
	tb.Helper()
	file, err := os.ReadFile("../lang/pt-BR.json")
	if err != nil {
		tb.Fatal(err)
	}
	known := map[string]bool{}
	for line := range strings.Lines(string(file)) {
		_, text, ok := strings.Cut(line, `": `)
		if !ok {
			continue
		}
		for _, w := range letters.FindAllString(text, -1) {
			known[w] = true
		}
	}
	return known
}

// foreign are the words of a text in Portuguese that are neither of the
// translations, nor the filter's own, nor of an example.
func foreign(known map[string]bool, text, filter string) (out []string) {
	own := letters.FindAllString(filter+` x01 A event data time type name items startsWith endsWith`, -1)
	for _, u := range macros {
		own = append(own, letters.FindAllString(u.sample, -1)...)
	}
	for name, sample := range functions {
		own = append(append(own, name), letters.FindAllString(sample, -1)...)
	}
	for _, w := range letters.FindAllString(text, -1) {
		if !known[w] && !slices.Contains(own, w) && !strings.Contains(filter, w) {
			out = append(out, w)
		}
	}
	return out
}

// TestNoEnglishInPortuguese: what is said of a mistake is one of our own
// sentences, in words of the catalogue.
func TestNoEnglishInPortuguese(t *testing.T) {
	t.Parallel()
	known := translated(t)
	for _, w := range []string{"overload", "undeclared", "mismatched", "expecting", "extraneous", "viable", "comprehension", "matching", "applied"} {
		if known[w] {
			t.Errorf("%s is a word of the translations: this test would not see it", w)
		}
	}
	for _, text := range mistakes() {
		f, err := Compile(text)
		if f != nil {
			t.Logf("%.60s is no mistake", text)
			continue
		}
		var bad *FilterError
		if !errors.As(err, &bad) {
			t.Errorf("%.60s: %v", text, err)
			continue
		}
		said := bad.Words().In(lang.Portuguese)
		if words := foreign(known, said, text); len(words) > 0 || said == bad.Words().String() || strings.Contains(said, "%!") {
			t.Errorf("%.60s: %s: %v", text, said, words)
		}
		if strings.Contains(said, "não pode ser usado") {
			t.Errorf("%.60s: nothing better is said: %s", text, said)
		}
	}
}

// FuzzWrongFilters: whatever the text, an answer in words of the catalogue, soon.
func FuzzWrongFilters(f *testing.F) {
	for _, text := range mistakes() {
		f.Add(text)
	}
	known := translated(f)
	f.Fuzz(func(t *testing.T, text string) {
		began := time.Now()
		_, err := Compile(text)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%q took %v", text, took)
		}
		var bad *FilterError
		switch {
		case err == nil:
			return
		case !errors.As(err, &bad):
			t.Fatalf("%q: %v", text, err)
		}
		said := bad.Words().In(lang.Portuguese)
		words := slices.DeleteFunc(foreign(known, said, text), func(w string) bool { return strings.Contains(said, `\`+w) }) // of what is quoted
		if len(words) > 0 || strings.Contains(said, "%!") {
			t.Errorf("%q: %s: %q, %v", text, said, words, err)
		}
	})
}

// TestExamplesOfFunctions: each is a filter, and no function is without one.
func TestExamplesOfFunctions(t *testing.T) {
	t.Parallel()
	for name, u := range macros {
		compile(t, u.sample)
		if !strings.Contains(u.sample, name+"(") {
			t.Errorf("%s: %s", name, u.sample)
		}
	}
	for name, sample := range functions {
		compile(t, sample)
		if !strings.Contains(sample, name+"(") {
			t.Errorf("%s: %s", name, sample)
		}
	}
	env, err := environment()
	if err != nil {
		t.Fatal(err)
	}
	for name := range env.Functions() {
		if functions[name] == "" && letters.FindString(name) == name && name != "in" { // which is an operator
			t.Errorf("%s has no example", name)
		}
	}
	for _, m := range env.Macros() {
		if u, known := macros[m.Function()]; !known || u.member != m.IsReceiverStyle() || !slices.Contains(u.counts, m.ArgCount()) {
			t.Errorf("%s with %d is not among the macros", m.Function(), m.ArgCount())
		}
	}
}
