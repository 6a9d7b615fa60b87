package dashboard

import (
	"net/http"
	"slices"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
	"github.com/malote-dev/malote/internal/store"
)

// check is a question that somebody asks to whose endpoint nothing arrives,
// and its answer, as far as it is known here.
type check struct {
	Ask  lang.Message
	Is   string // "yes", "no", "maybe" or "unknown"
	Said lang.Message
	Fix  lang.Message // where it is no
}

const (
	isYes     = "yes"
	isNo      = "no"
	isMaybe   = "maybe"
	isUnknown = "unknown"
)

// checks answers the questions, in the order in which one looks.
func (view *endpointView) checks(l lang.Language) []check {
	return []check{view.activeCheck(), view.wantedCheck(), view.reachedCheck(), view.successCheck(), view.timeCheck(l), view.verifiesCheck()}
}

func (view *endpointView) activeCheck() check {
	c := check{Ask: lang.Text("Is it active?"), Is: isYes, Said: lang.Text("It is.")}
	if view.State != "active" {
		c.Is, c.Said, c.Fix = isNo, stateWord(view.State), lang.Text("Resume it; what was kept is sent then.")
	}
	return c
}

func (view *endpointView) wantedCheck() check {
	c := check{Ask: lang.Text("Does anything come in for it?"), Is: isYes, Said: lang.Text("Deliveries were made for it; the last ones are listed below.")}
	if len(view.Deliveries) == 0 {
		c.Is, c.Said = isNo, lang.Text("No event that it wants has come in for its consumer.")
		c.Fix = lang.Text("Compare the types that it wants, and its filter, with what is sent; the page of a message says why somebody did not get it.")
	}
	return c
}

// lastTried is the newest delivery that an attempt was made of; nil: there is none.
func (view *endpointView) lastTried() *client.Delivery {
	i := slices.IndexFunc(view.Deliveries, func(d client.Delivery) bool { return d.LastStatus != 0 || d.LastError != nil })
	if i < 0 {
		return nil
	}
	return &view.Deliveries[i]
}

func notTried(ask lang.Message) check {
	return check{Ask: ask, Is: isUnknown, Said: lang.Text("Nothing was sent to it yet. Send a test.")}
}

func (view *endpointView) reachedCheck() check {
	c := check{Ask: lang.Text("Is the URL right, and can it be reached?"), Is: isYes, Said: lang.Text("It answered the last request.")}
	d := view.lastTried()
	switch {
	case d == nil:
		return notTried(c.Ask)
	case d.LastStatus == 0 && d.LastError != nil:
		c.Is, c.Said, c.Fix = isNo, className(d.LastError.Class), store.Advice(store.Class(d.LastError.Class), 0)
	}
	return c
}

func (view *endpointView) successCheck() check {
	c := check{Ask: lang.Text("Does it answer with a success?"), Is: isYes}
	d := view.lastTried()
	if d == nil {
		return notTried(c.Ask)
	}
	c.Said = lang.Text("Its last answer: %d.", d.LastStatus)
	switch {
	case d.LastStatus == 0:
		c.Is, c.Said = isUnknown, lang.Text("It did not answer the last request.")
	case d.LastError != nil:
		c.Is, c.Fix = isNo, store.Advice(store.Class(d.LastError.Class), d.LastStatus)
	}
	return c
}

func (view *endpointView) timeCheck(l lang.Language) check {
	c := check{Ask: lang.Text("Does it answer in time?"), Is: isYes}
	late := 0
	for _, f := range view.Stats.Attempts.Failures {
		if store.Class(f.Class) == store.ClassTimeout {
			late = f.Count
		}
	}
	switch {
	case late > 0:
		c.Is, c.Said = isNo, lang.Count(late, "%d attempt in 24 hours had no answer in time.", "%d attempts in 24 hours had no answer in time.")
		c.Fix = store.Advice(store.ClassTimeout, 0)
	case view.Stats.Times == nil:
		c.Is, c.Said = isUnknown, lang.Text("It gave no answer in 24 hours.")
	default:
		c.Said = lang.Text("95 of 100 answers came within %s.", millis(view.Stats.Times.P95, l))
	}
	return c
}

func (view *endpointView) verifiesCheck() check {
	c := check{Ask: lang.Text("Does it verify signatures?"), Is: isUnknown, Said: lang.Text("Check it up: it is sent a request whose signature is wrong, too, of which nothing is kept.")}
	if view.Checkup == nil {
		return c
	}
	for _, one := range view.Checkup.Checks {
		if one.Check == "verifies" {
			c.Is, c.Said = isOf(one.Result), lang.Text("%s", one.Message)
		}
	}
	return c
}

// isOf is how pages mark what a check-up says.
func isOf(result string) string {
	switch result {
	case "passed":
		return isYes
	case "failed":
		return isNo
	case "warning":
		return isMaybe
	}
	return isUnknown
}

// checkupTime is how long a page waits for a check-up.
const checkupTime = 58 * time.Second

func (v *visit) checkupEndpoint() error {
	v.patience = checkupTime
	_ = http.NewResponseController(v.w).SetReadDeadline(time.Time{}) // that of the request ends sooner
	up, err := endpointAction[client.Checkup](v, "/checkup", nil, "")
	if err != nil {
		return v.endpointWrong(err)
	}
	return v.showEndpoint(http.StatusOK, &endpointView{Checkup: up})
}

// checkWord is what a check-up looks at, as a question.
func checkWord(name string) lang.Message {
	switch name {
	case "accepts":
		return lang.Text("Does it take what is signed rightly?")
	case "in_time":
		return lang.Text("Does it answer in time?")
	case "verifies":
		return lang.Text("Does it refuse what is signed wrongly?")
	case "duplicate":
		return lang.Text("Does it take the same event again?")
	case "direct":
		return lang.Text("Does it answer by itself, without a redirect?")
	case "encrypted":
		return lang.Text("Is the connection encrypted?")
	}
	return lang.Text("%s", name)
}

// isWord is how a check comes out.
func isWord(is string) lang.Message {
	switch is {
	case isYes:
		return lang.Text("yes")
	case isNo:
		return lang.Text("no")
	case isMaybe:
		return lang.Text("take care")
	}
	return lang.Text("not known")
}
