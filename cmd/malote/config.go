package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"go.yaml.in/yaml/v3"
)

// maxConfigFile bounds what is read of a configuration file.
const maxConfigFile = 1 << 20

// configFile is a flag that names a YAML file. Its keys are the command's
// options without the dashes; a flag beats the environment, which beats the file.
type configFile string

// BeforeResolve reads the file before kong fills in what the command line left open.
func (configFile) BeforeResolve(ctx *kong.Context, trace *kong.Path, con *console) error {
	path, ok := ctx.FlagValue(trace.Flag).(configFile)
	if !ok || path == "" {
		return nil
	}
	c, err := readConfig(string(path), trace.Flag.Name, ctx.Selected())
	if err != nil {
		return err
	}
	ctx.AddResolver(c)
	con.config = c
	return nil
}

// config is a file that was read: a kong.Resolver.
type config struct {
	path   string
	values map[string]configValue
}

type configValue struct {
	text string
	line int
}

func (c *config) Validate(*kong.Application) error { return nil }

// Resolve gives a flag its value from the file, unless the environment has one.
func (c *config) Resolve(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
	v, ok := c.values[flag.Name]
	if !ok || envOf(flag) != "" {
		return nil, nil //nolint:nilnil // kong's contract: nothing found is no error
	}
	return v.text, nil
}

// envOf is the environment variable that sets a flag, if one does.
func envOf(flag *kong.Flag) string {
	for _, name := range flag.Envs {
		if _, ok := os.LookupEnv(name); ok {
			return name
		}
	}
	return ""
}

func readConfig(path, self string, command *kong.Node) (*config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, usage("--"+self+": "+err.Error(), "name a YAML file that this user can read")
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return nil, usage("--"+self+": "+err.Error(), "name a YAML file that this user can read")
	}
	if len(text) > maxConfigFile {
		return nil, usage("--"+self+" "+path+": the file is larger than 1 MiB", "name a configuration file")
	}
	return parseConfig(path, text, optionsOf(command, self))
}

// optionsOf lists what a file may set: all of the command's own flags but the
// one that names the file.
func optionsOf(command *kong.Node, self string) []string {
	var names []string
	for _, f := range command.Flags {
		if f.Name != self && f.Name != "help" {
			names = append(names, f.Name)
		}
	}
	slices.Sort(names)
	return names
}

func parseConfig(path string, text []byte, known []string) (*config, error) {
	c := &config{path: path, values: map[string]configValue{}}
	var doc yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&doc); errors.Is(err, io.EOF) {
		return c, nil
	} else if err != nil {
		return nil, usage(path+": "+err.Error(), "write one `option: value` a line")
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		return nil, usage(fmt.Sprintf("%s:%d: not a list of options", path, root.Line), "write one `option: value` a line")
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		key, value := root.Content[i], root.Content[i+1]
		if err := c.set(key, value, known); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func (c *config) set(key, value *yaml.Node, known []string) error {
	at := fmt.Sprintf("%s:%d: ", c.path, key.Line)
	if !slices.Contains(known, key.Value) {
		fix := "known options: " + strings.Join(known, ", ")
		if near := nearest(key.Value, known); near != "" {
			fix = "did you mean " + near + "?"
		}
		return usage(at+"unknown option "+fmt.Sprintf("%q", key.Value), fix)
	}
	if before, twice := c.values[key.Value]; twice {
		return usage(at+key.Value+" is set twice", fmt.Sprintf("keep one of lines %d and %d", before.line, key.Line))
	}
	text, ok := flatten(value)
	if !ok {
		return usage(at+key.Value+" has a value of the wrong shape", "write one value, or a list of values")
	}
	c.values[key.Value] = configValue{text: text, line: key.Line}
	return nil
}

// flatten gives a scalar's text, or those of a list joined by commas, as on
// the command line.
func flatten(n *yaml.Node) (string, bool) {
	switch n.Kind {
	case yaml.ScalarNode:
		return n.Value, n.Tag != "!!null"
	case yaml.SequenceNode:
		parts := make([]string, len(n.Content))
		for i, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				return "", false
			}
			parts[i] = item.Value
		}
		return strings.Join(parts, ","), true
	case yaml.DocumentNode, yaml.MappingNode, yaml.AliasNode:
	}
	return "", false
}

// nearest finds the known name that a mistyped one is closest to.
func nearest(name string, known []string) string {
	best, distance := "", 4
	for _, k := range known {
		if d := editDistance(name, k); d < distance {
			best, distance = k, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, cost)
		}
	}
	return row[len(b)]
}

// withOrigin says where a refused value came from when it did not stand on the
// command line: a variable, or a line of the configuration file.
func (c *console) withOrigin(ctx *kong.Context, err error) error {
	if err == nil || ctx == nil {
		return err
	}
	f := *c.describe(err)
	f.err = err
	f.what, _, _ = strings.Cut(f.what, " (from envar ") // kong's own words, which show the value
	rest, ok := strings.CutPrefix(f.what, "--")
	if !ok {
		return &f
	}
	name := rest[:strings.IndexFunc(rest+" ", func(r rune) bool { return r != '-' && (r < 'a' || r > 'z') })]
	if where := c.origin(ctx, name); where != "" {
		f.what = "--" + name + " (from " + where + ")" + rest[len(name):]
	}
	return &f
}

func (c *console) origin(ctx *kong.Context, name string) string {
	var flag *kong.Flag
	for _, p := range ctx.Path {
		if p.Flag != nil && p.Flag.Name == name && !p.Resolved {
			return "" // on the command line
		}
		for _, f := range p.Flags {
			if f.Name == name {
				flag = f
			}
		}
	}
	if flag == nil {
		return ""
	}
	if env := envOf(flag); env != "" {
		return env
	}
	if c.config != nil {
		if v, ok := c.config.values[name]; ok {
			return fmt.Sprintf("%s:%d", c.config.path, v.line)
		}
	}
	return ""
}
