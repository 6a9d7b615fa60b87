package main

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

type helpCmd struct {
	Topic []string `arg:"" optional:"" help:"A command, or a topic: exit-codes, environment."`
}

// Run prints the help of a command, or a topic.
func (h *helpCmd) Run(c *console, k *kong.Kong) error {
	if len(h.Topic) == 1 {
		switch h.Topic[0] {
		case "exit-codes":
			fmt.Fprint(c.out, exitCodesText)
			return nil
		case "environment":
			printEnvironment(c, k.Model.Node)
			return nil
		}
	}
	if _, err := k.Parse(append(h.Topic, "--help")); err != nil {
		return usage(fmt.Sprintf("no command or topic %q", strings.Join(h.Topic, " ")), "see `malote --help`; topics: exit-codes, environment")
	}
	return nil
}

// printEnvironment lists every variable with the option that it sets.
func printEnvironment(c *console, n *kong.Node) {
	seen := map[string]bool{}
	var walk func(*kong.Node)
	walk = func(n *kong.Node) {
		for _, f := range n.Flags {
			for _, env := range f.Envs {
				if !seen[env] {
					seen[env] = true
					help := f.Help
					if env == "MALOTE_LOG_LEVEL" {
						help = "debug, info, warn or error (default: info for serve, error for dev)."
					}
					fmt.Fprintf(c.out, "%-28s %s\n", env, help)
				}
			}
		}
		for _, child := range n.Children {
			walk(child)
		}
	}
	walk(n)
}
