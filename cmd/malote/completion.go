package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help says how to install the script.
func (completionCmd) Help() string {
	return `The script asks the binary itself, so it never grows stale.

    bash:  source <(malote completion bash)
    zsh:   source <(malote completion zsh)
    fish:  malote completion fish | source`
}

// Run prints the script.
func (s *completionCmd) Run(c *console) error {
	fmt.Fprint(c.out, completionScripts()[s.Shell])
	return nil
}

func completionScripts() map[string]string {
	return map[string]string{
		"bash": `_malote() {
  local IFS=$'\n'
  COMPREPLY=($(malote __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null | cut -f1))
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
}
complete -o default -F _malote malote
`,
		"zsh": `#compdef malote
_malote() {
  local -a found
  found=(${(f)"$(malote __complete -- "${(@)words[2,CURRENT]}" 2>/dev/null | sed -e 's/:/\\:/g' -e 's/\t/:/')"})
  if (( $#found )); then _describe malote found; else _files; fi
}
compdef _malote malote
`,
		"fish": `complete -c malote -f -a '(malote __complete -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
complete -c malote -l data -l config -l dialects -l master-key-file -l tls-cert -l tls-key -r -F
`,
	}
}

// completeCmd answers the scripts above: the words so far, the last of them
// unfinished, give one candidate a line, a tab, and what it is.
type completeCmd struct {
	Words []string `arg:"" optional:""`
}

// Run prints the candidates.
func (s *completeCmd) Run(c *console, k *kong.Kong) error {
	words := s.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	if len(words) == 0 {
		words = []string{""}
	}
	for _, found := range complete(k.Model.Node, words) {
		fmt.Fprintln(c.out, found)
	}
	return nil
}

func complete(node *kong.Node, words []string) []string {
	last := words[len(words)-1]
	var open *kong.Flag // a flag that waits for its value
	for _, w := range words[:len(words)-1] {
		switch {
		case open != nil:
			open = nil
		case strings.HasPrefix(w, "--"):
			if f := flagNamed(node, w); f != nil && !f.IsBool() && !strings.Contains(w, "=") {
				open = f
			}
		default:
			if child := childNamed(node, w); child != nil {
				node = child
			}
		}
	}
	switch {
	case open != nil:
		return matching(enumOf(open.Value), last)
	case strings.HasPrefix(last, "-"):
		return matching(flagsOf(node), last)
	case len(node.Children) > 0:
		return matching(childrenOf(node), last)
	case len(node.Positional) > 0:
		return matching(enumOf(node.Positional[0]), last)
	}
	return nil
}

func matching(candidates []string, prefix string) []string {
	return slices.DeleteFunc(candidates, func(c string) bool { return !strings.HasPrefix(c, prefix) })
}

func childNamed(n *kong.Node, name string) *kong.Node {
	for _, c := range n.Children {
		if c.Name == name {
			return c
		}
	}
	return nil
}

func childrenOf(n *kong.Node) []string {
	var out []string
	for _, c := range n.Children {
		if !c.Hidden {
			out = append(out, c.Name+"\t"+c.Help)
		}
	}
	return out
}

func flagNamed(n *kong.Node, word string) *kong.Flag {
	name, _, _ := strings.Cut(strings.TrimPrefix(word, "--"), "=")
	for ; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if f.Name == name {
				return f
			}
		}
	}
	return nil
}

func flagsOf(n *kong.Node) []string {
	var out []string
	for ; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if !f.Hidden {
				out = append(out, "--"+f.Name+"\t"+f.Help)
			}
		}
	}
	return out
}

func enumOf(v *kong.Value) []string {
	if v.Enum == "" {
		return nil
	}
	return v.EnumSlice()
}
