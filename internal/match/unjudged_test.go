package match

import (
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/lang"
)

// TestWhy: what is said of a filter that an event cannot be judged by, in both
// languages, in words of the catalogue.
func TestWhy(t *testing.T) {
	t.Parallel()
	known := translated(t)
	long := `{"s":"` + strings.Repeat("a", 250<<10) + `","a":[` + strings.Repeat("1,", 1000) + `1]}`
	for _, c := range [][4]string{
		{`data.missing == 1`, ``, `it has no field missing`, `não tem o campo missing`},
		{`data["x y"] == 1`, ``, `it has no field x y`, `não tem o campo x y`},
		{`data.items[9].sku == "x"`, ``, `an array has no item 9, counted from 0`, `um array não tem o item 9, contando a partir de 0`},
		{`data.items["x"] == 1`, ``, `a value is of a kind that the filter does not take`, `um valor é de um tipo que o filtro não aceita`},
		{`data.status > 5`, ``, `a value is of a kind that the filter does not take`, `um valor é de um tipo que o filtro não aceita`},
		{`data.nothing > 5`, ``, `> does not work with values of the kind that is there`, `> não funciona com valores do tipo que está ali`},
		{`size(data.amount) == 1`, ``, `size does not work with values of the kind that is there`, `size não funciona com valores do tipo que está ali`},
		{`string(data.items) == ""`, ``, `string does not work with values of the kind that is there`, `string não funciona com valores do tipo que está ali`},
		{`data.max + 1 > 0`, ``, `a number or a time becomes too large`, `um número ou um instante fica grande demais`},
		{`data.amount / 0 == 1`, ``, `it divides by zero`, `há uma divisão por zero`},
		{`timestamp(data.status) > event.time`, ``, `a value cannot be converted with timestamp`, `não é possível converter um valor com timestamp`},
		{`duration(data.status) > duration("1h")`, ``, `a value cannot be converted with duration`, `não é possível converter um valor com duration`},
		{`int(data.status) == 1`, ``, `a value cannot be converted with int`, `não é possível converter um valor com int`},
		{`event.time.getHours(data.status) == 1`, ``, `there is no time zone of that name`, `não existe fuso horário com esse nome`},
		{`data.status.exists(x, x == "p")`, ``, `a value has no items to go through`, `um valor não tem itens a percorrer`},
		{`data.s.matches("x")`, `{"s":"` + strings.Repeat("a", 9000) + `"}`, `a text is too long for matches`, `um texto é longo demais para matches`},
		{`data.a.exists(i, data.s + data.s == "")`, long, `it takes too long for this event`, `demora demais para este evento`},
		{`data == 1`, `{`, `the event's data cannot be read`, `não é possível ler os dados do evento`},
	} {
		data := c[1]
		if data == "" {
			data = sample
		}
		e := event(data)
		_, problem, err := compile(t, c[0]).Judge(t.Context(), e, &Budget{})
		e.Done()
		why := Why(problem, err)
		said := lang.Recall(why).In(lang.Portuguese)
		if problem == NoProblem || why != c[2] || said != c[3] {
			t.Errorf("%s: %v, %v\n got %s | %s\nwant %s | %s", c[0], problem, err, why, said, c[2], c[3])
		}
		if words := foreign(known, said, c[0]); len(words) > 0 {
			t.Errorf("%s: %v", said, words)
		}
	}
	spent := &Budget{spent: MaxCallCost}
	_, problem, err := compile(t, `data.a == 1`).Judge(t.Context(), event(`{}`), spent)
	if why := Why(problem, err); why != "the filters of this event, or of this call, take too long together" {
		t.Error(why)
	}
	if why := Why(NotAcceptable, nil); why != "it is not accepted any more" {
		t.Error(why)
	}
}
