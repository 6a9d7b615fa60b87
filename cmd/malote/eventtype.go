package main

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"reflect"
	"strings"

	"github.com/malote-dev/malote/client"
)

type eventTypeCmd struct {
	List   eventTypeListCmd   `cmd:"" help:"List the catalogue: the project's types and those of its dialect."`
	Show   eventTypeShowCmd   `cmd:"" help:"Show a type with its schema and examples."`
	Create eventTypeCreateCmd `cmd:"" help:"Add a type."`
	Update eventTypeUpdateCmd `cmd:"" help:"Change what is named of a type, leave the rest."`
	Import eventTypeImportCmd `cmd:"" help:"Read types from the webhooks of an OpenAPI 3.1 document."`
	Delete eventTypeDeleteCmd `cmd:"" help:"Delete a type of the project; events of it stay."`
}

type eventTypeListCmd struct {
	remote
	Tag        string `placeholder:"TAG" help:"Only those with this tag."`
	Source     string `placeholder:"NAME" help:"Only those of the project, of the dialect, or of the server (events about deliveries)."`
	Deprecated string `placeholder:"WHICH" help:"show, hide or only."`
	Limit      int    `default:"50" placeholder:"N" help:"How many to show, by name; 0: all (default ${default})."`
}

// Run lists types.
func (l *eventTypeListCmd) Run(c *console) error {
	return enumerate(&l.remote, c, l.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.EventType, error] {
		return api.EventTypes(ctx, client.EventTypeFilter{Tag: l.Tag, Source: l.Source, Deprecated: l.Deprecated, PageSize: pageSize(l.Limit)})
	}, []string{"EVENT TYPE", "SOURCE", "VALIDATED", "DEPRECATED", "TAGS", "DESCRIPTION"}, func(t *table, e *client.EventType) {
		t.row(e.Name, e.Source, yes(e.Validate), yes(e.Deprecated), strings.Join(e.Tags, ","), e.Description)
	})
}

type eventTypeShowCmd struct {
	remote
	Name string `arg:"" help:"The type, as events say it."`
}

// Run shows one.
func (s *eventTypeShowCmd) Run(c *console) error {
	return ask(&s.remote, c, func(ctx context.Context, api *client.Client) (*client.EventType, error) {
		return api.EventType(ctx, s.Name)
	}, c.eventType)
}

func (c *console) eventType(e *client.EventType) {
	c.facts("event type", e.Name, "id", e.ID, "source", e.Source, "description", e.Description, "in Portuguese", e.DescriptionPT,
		"tags", strings.Join(e.Tags, ", "), "validated", yes(e.Validate), "deprecated", yes(e.Deprecated), "why", e.Deprecation, "replaced by", e.ReplacedBy)
	if len(e.Schema) > 0 && string(e.Schema) != "null" {
		fmt.Fprintf(c.out, "\nschema\n%s\n", visible(string(e.Schema)))
	}
	for _, example := range e.Examples {
		fmt.Fprintf(c.out, "\nexample\n%s\n", visible(string(example)))
	}
}

// eventTypeSettings are options of create and update; those that are not given
// leave things as they are.
type eventTypeSettings struct {
	Description   *string  `placeholder:"TEXT" help:"What it means, in English."`
	DescriptionPT *string  `name:"description-pt" placeholder:"TEXT" help:"The same in Portuguese."`
	Tags          []string `placeholder:"TAG" help:"Tags to find it by; repeat it for more; an empty one is none."`
	Schema        *string  `placeholder:"JSON" help:"JSON Schema of the data: itself, @FILE, or - for standard input; an empty one is none."`
	Example       []string `sep:"none" placeholder:"JSON" help:"Data of such an event: itself, @FILE, or -; repeat it for more. Test sends take the first."`
	Validate      *bool    `negatable:"" help:"Refuse events whose data does not match the schema."`
	Deprecated    *bool    `negatable:"" help:"Say that it will go."`
	Deprecation   *string  `placeholder:"TEXT" help:"Why, in words."`
	ReplacedBy    *string  `placeholder:"TYPE" help:"The type that comes in its place; an empty one is none."`
}

func (s *eventTypeSettings) change(c *console) (ch client.EventTypeChange, err error) {
	setIf(&ch.Description, s.Description)
	setIf(&ch.DescriptionPT, s.DescriptionPT)
	setIf(&ch.Validate, s.Validate)
	setIf(&ch.Deprecated, s.Deprecated)
	setIf(&ch.Deprecation, s.Deprecation)
	if setIf(&ch.ReplacedBy, s.ReplacedBy); s.ReplacedBy != nil && *s.ReplacedBy == "" {
		ch.ReplacedBy = client.Null[string]()
	}
	if s.Tags != nil {
		ch.Tags = client.Set(given(s.Tags))
	}
	switch {
	case s.Schema == nil:
	case *s.Schema == "":
		ch.Schema = client.Null[json.RawMessage]()
	default:
		schema, err := c.jsonInput("schema", *s.Schema)
		if err != nil {
			return ch, err
		}
		ch.Schema = client.Set(schema)
	}
	if s.Example != nil {
		examples := []json.RawMessage{}
		for _, text := range s.Example {
			one, err := c.jsonInput("example", text)
			if err != nil {
				return ch, err
			}
			examples = append(examples, one)
		}
		ch.Examples = client.Set(examples)
	}
	return ch, nil
}

// setIf sets a member to what was given, if it was.
func setIf[T any](member *client.Field[T], given *T) {
	if given != nil {
		*member = client.Set(*given)
	}
}

// jsonInput is an option's value that has to be JSON.
func (c *console) jsonInput(flag, text string) (json.RawMessage, error) {
	b, err := c.input("--"+flag, text)
	if err != nil {
		return nil, err
	}
	if err := checkJSON(b); err != nil {
		return nil, usage("--"+flag+": "+err.Error(), fmt.Sprintf("write JSON, as in --%s '{\"id\":42}', or name a file as --%s @FILE", flag, flag))
	}
	return b, nil
}

type eventTypeCreateCmd struct {
	remote
	Name string `arg:"" help:"The type, as events say it; it cannot be changed."`
	eventTypeSettings
}

// Run creates one.
func (t *eventTypeCreateCmd) Run(c *console) error {
	ch, err := t.change(c)
	if err != nil {
		return err
	}
	return ask(&t.remote, c, func(ctx context.Context, api *client.Client) (*client.EventType, error) {
		return api.CreateEventType(ctx, client.NewEventType{Name: t.Name, EventTypeChange: ch})
	}, c.eventType)
}

type eventTypeUpdateCmd struct {
	remote
	Name string `arg:"" help:"The type, as events say it."`
	eventTypeSettings
}

// Run changes what is named.
func (t *eventTypeUpdateCmd) Run(c *console) error {
	ch, err := t.change(c)
	if err != nil {
		return err
	}
	if reflect.ValueOf(ch).IsZero() {
		return usage("nothing to change is named", "name what is to change, as in --schema @schema.json; see `malote event-type update --help`")
	}
	return ask(&t.remote, c, func(ctx context.Context, api *client.Client) (*client.EventType, error) {
		return api.UpdateEventType(ctx, t.Name, ch)
	}, c.eventType)
}

type eventTypeDeleteCmd struct {
	remote
	Name string `arg:"" help:"The type, as events say it."`
}

// Run deletes.
func (d *eventTypeDeleteCmd) Run(c *console) error {
	return ask(&d.remote, c, func(ctx context.Context, api *client.Client) (*client.Deleted, error) {
		return api.DeleteEventType(ctx, d.Name)
	}, c.deleted)
}

type eventTypeImportCmd struct {
	remote
	Document string `arg:"" placeholder:"@FILE" help:"The OpenAPI 3.1 document, JSON: @FILE, or - for standard input."`
	DryRun   bool   `help:"Say what would be done, and do nothing."`
	Validate *bool  `negatable:"" help:"Switch validation on, or off, for what is imported; without it, it stays as it is, and is off for new types."`
	DataAt   string `placeholder:"POINTER" help:"Where the event's data stands in the bodies, as in /data; without it the whole body is the data."`
}

// Run imports.
func (i *eventTypeImportCmd) Run(c *console) error {
	doc, err := c.input("<document>", i.Document)
	if err != nil {
		return err
	}
	if err := checkJSON(doc); err != nil {
		return usage("the document: "+err.Error(), "name a file of JSON as @openapi.json; one of YAML has to be converted first")
	}
	return ask(&i.remote, c, func(ctx context.Context, api *client.Client) (*client.Imported, error) {
		return api.ImportEventTypes(ctx, client.Import{OpenAPI: doc, DryRun: i.DryRun, Validate: i.Validate, DataAt: i.DataAt})
	}, func(im *client.Imported) {
		t := newTable(c, "EVENT TYPE", "OUTCOME", "REASON OR REMARK")
		for _, r := range im.Results {
			t.row(r.Name, r.Outcome, r.Reason+r.Remark)
		}
		_ = t.flush()
		fmt.Fprintf(c.out, "\n%d created, %d updated, %d unchanged, %d skipped.\n", im.Created, im.Updated, im.Unchanged, im.Skipped)
		if im.DryRun {
			fmt.Fprintln(c.err, "Nothing was changed: run it without --dry-run to do it.")
		}
	})
}
