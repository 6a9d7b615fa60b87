package documented_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/api/documented"
	"github.com/malote-dev/malote/internal/store"
)

var (
	example = regexp.MustCompile("(?s)```sh\ncurl -X (\\w+) https://api\\.(?:your-domain\\.com|seu-dominio\\.com\\.br)(\\S+) .*?-d '(.*?)'\n```\n\n```json\n(.*?)\n```")
	members = regexp.MustCompile(`"(\w+)":`)
)

// TestGuides runs the examples of the guides and looks for every call in them.
func TestGuides(t *testing.T) {
	t.Parallel()
	st := setup(t)
	for _, dialect := range []string{"gabinete360", "placaflow", "tarefa"} {
		key := st.key(st.project(dialect, store.Production), "123", "*")
		for _, dir := range []string{"../../../docs/contracts/", "../../../docs/pt-BR/contracts/"} {
			text, err := os.ReadFile(dir + dialect + ".md")
			st.no(err)
			found := example.FindAllStringSubmatch(string(text), -1)
			if len(found) == 0 {
				t.Errorf("%s%s.md shows nothing", dir, dialect)
			}
			for _, m := range found {
				r := st.do(m[1], m[2], key, m[3]).want(201)
				if want, got := fmt.Sprint(members.FindAllString(m[4], -1)), fmt.Sprint(members.FindAllString(r.body, -1)); want != got || !json.Valid([]byte(m[4])) {
					t.Errorf("%s%s.md shows %s, the answer is %s", dir, dialect, want, got)
				}
			}
			for _, rt := range documented.Routes(dialect) {
				call := "`" + rt.Method + " " + rt.Pattern
				if !strings.Contains(string(text), call) && !strings.Contains(string(text), strings.Replace(call, "{id}", ":id", 1)) {
					t.Errorf("%s%s.md lacks %s", dir, dialect, call)
				}
			}
		}
	}
	if documented.Routes("connectvets") != nil || documented.Routes("habilitar") != nil {
		t.Error("a company without an API has one")
	}
}
