package app

import (
	"os"

	"github.com/malote-dev/malote/webhook"
)

// LoadDialects gives the built-in dialects, and those in the files of a
// directory (empty: none). Errors: [*Problem], with one line for each wrong file.
func LoadDialects(dir string) (*webhook.Catalog, error) {
	if dir == "" {
		return webhook.NewCatalog()
	}
	c, err := webhook.LoadCatalog(os.DirFS(dir))
	if err != nil {
		return nil, &Problem{
			What: "--dialects " + dir + ": " + err.Error(),
			Fix:  "mend the file, then try it with `malote dialect check FILE`",
			Err:  err,
		}
	}
	return c, nil
}
