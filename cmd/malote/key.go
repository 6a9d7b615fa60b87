package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/app"
)

type keyCmd struct {
	Create keyCreateCmd `cmd:"" help:"Make a project's key (needs the root key, or one of the project with keys:write). It is shown once."`
	List   keyListCmd   `cmd:"" help:"List a project's keys, or the root keys (needs the root key, or one of the project with keys:read)."`
	Revoke keyRevokeCmd `cmd:"" help:"End a project's key, or a root key, at once (needs the root key, or one of the project with keys:write)."`
	Master keyMasterCmd `cmd:"" help:"Make a master key for the secrets at rest; works without a server."`
	Pair   keyPairCmd   `cmd:"" help:"Make an Ed25519 key pair to sign with; works without a server."`
	Root   keyRootCmd   `cmd:"" help:"Make a root key in a data directory; no server may use it meanwhile. It is shown once."`
}

type keyCreateCmd struct {
	remote
	Project  string   `xor:"of" required:"" placeholder:"ID" help:"The project that it is for."`
	Root     bool     `xor:"of" required:"" help:"Make another root key, to replace one while the server runs."`
	Scopes   []string `placeholder:"SCOPE" help:"What it may do, as in events:write,deliveries:read; '*': everything but keys:write (default '*'; with --consumer: endpoints and deliveries to read and write, events and event types to read)."`
	Name     string   `placeholder:"TEXT" help:"What it is for, to tell it from others."`
	Consumer string   `placeholder:"UID" help:"Only for this customer of the project."`
	Prefix   string   `placeholder:"TEXT" help:"What it begins with instead of mlt_, as in pk_."`
	Own      string   `name:"own-key" placeholder:"TEXT" help:"A key that you gave out before, which goes on to be valid: itself, @FILE, or - for standard input; without it one is made."`
	Expires  expiry   `placeholder:"TIME" help:"How long it lasts, as in 90d, or when it ends, as in 2026-12-31T00:00:00Z."`
}

// scopes are what was asked for. A customer's own key, where nothing was,
// does what a customer does: look after endpoints, look at what was sent and
// send it again; not send events, which is for the one whose product it is.
func (k *keyCreateCmd) scopes() []string {
	switch {
	case len(k.Scopes) > 0:
		return k.Scopes
	case k.Consumer != "":
		return []string{"endpoints:read", "endpoints:write", "deliveries:read", "deliveries:write", "events:read", "event_types:read"}
	}
	return []string{"*"}
}

// Run makes a project's key and shows it, the only time.
func (k *keyCreateCmd) Run(c *console) error {
	if k.Root {
		return k.root(c)
	}
	own, err := c.secretOf("own-key", k.Own)
	if err != nil {
		return err
	}
	return ask(&k.remote, c, func(ctx context.Context, api *client.Client) (*client.Key, error) {
		made, err := api.CreateKey(ctx, k.Project, client.NewKey{Name: k.Name, Scopes: k.scopes(), Consumer: k.Consumer, Prefix: k.Prefix, Key: own, ExpiresAt: k.Expires.when(time.Now())})
		if hasStatus(err, http.StatusNotFound) {
			return nil, &failure{what: "--project " + k.Project + ": no such project", fix: "see them with: malote project list", code: exitNotFound, err: err}
		}
		return made, err
	}, func(made *client.Key) {
		c.facts("key", made.Key, "id", made.ID, "project", made.ProjectID, "name", made.Name, "consumer", made.Consumer,
			"scopes", strings.Join(made.Scopes, ", "), "expires", stampOf(made.ExpiresAt))
		fmt.Fprintln(c.err, "The key is not shown again: keep it where you keep passwords.")
	})
}

// root makes a root key and shows it, the only time.
func (k *keyCreateCmd) root(c *console) error {
	if len(k.Scopes) > 0 || k.Consumer != "" || k.Prefix != "" || k.Own != "" {
		return usage("--root excludes --scopes, --consumer, --prefix and --own-key", "a root key makes projects and their keys, and can do nothing else")
	}
	return ask(&k.remote, c, func(ctx context.Context, api *client.Client) (*client.Key, error) {
		return api.CreateRootKey(ctx, client.NewRootKey{Name: k.Name, ExpiresAt: k.Expires.when(time.Now())})
	}, func(made *client.Key) {
		c.facts("key", made.Key, "id", made.ID, "name", made.Name, "expires", stampOf(made.ExpiresAt))
		fmt.Fprintln(c.err, "The key is not shown again: keep it where you keep passwords.")
	})
}

type keyListCmd struct {
	remote
	Project string `xor:"of" required:"" placeholder:"ID" help:"The project whose keys they are."`
	Root    bool   `xor:"of" required:"" help:"The root keys."`
	Limit   int    `default:"50" placeholder:"N" help:"How many to show, oldest first; 0: all (default ${default})."`
}

// Run lists keys by what they begin with.
func (k *keyListCmd) Run(c *console) error {
	return enumerate(&k.remote, c, k.Limit, func(ctx context.Context, api *client.Client) iter.Seq2[*client.Key, error] {
		if k.Root {
			return api.RootKeys(ctx)
		}
		return api.Keys(ctx, k.Project)
	}, []string{"KEY", "BEGINS", "NAME", "CONSUMER", "SCOPES", "STATE", "LAST USED"}, func(t *table, key *client.Key) {
		t.row(key.ID, key.Prefix, key.Name, key.Consumer, strings.Join(key.Scopes, ","), keyState(key, time.Now()), stampOf(key.LastUsedAt))
	})
}

func keyState(k *client.Key, now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return "expired"
	}
	return "in force"
}

type keyRevokeCmd struct {
	remote
	Project string `xor:"of" required:"" placeholder:"ID" help:"The project that the key is of."`
	Root    bool   `xor:"of" required:"" help:"It is a root key."`
	Last    bool   `help:"With --root: revoke it also where no other one is in force."`
	ID      string `arg:"" name:"id" help:"The key's id, as malote key list shows it."`
}

// Run ends a key.
func (k *keyRevokeCmd) Run(c *console) error {
	return ask(&k.remote, c, func(ctx context.Context, api *client.Client) (*client.Deleted, error) {
		if k.Root {
			return api.RevokeRootKey(ctx, k.ID, k.Last)
		}
		return api.RevokeKey(ctx, k.Project, k.ID)
	}, func(*client.Deleted) { fmt.Fprintln(c.out, "Revoked.") })
}

type keyMasterCmd struct {
	Out string `placeholder:"FILE" help:"Write it to this new file, for its owner's eyes alone, instead of printing it."`
}

// Run prints a new master key, or writes it to a file; nothing else keeps it.
func (k *keyMasterCmd) Run(c *console) error {
	if k.Out == "" {
		fmt.Fprintln(c.out, app.NewMasterKey())
		return nil
	}
	// Never over a file that is there: it may be the only copy of a key in use.
	f, err := os.OpenFile(k.Out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return usage("--out: "+err.Error(), "name a new file in a directory that can be written; a master key that is there is never replaced")
	}
	_, err = fmt.Fprintln(f, app.NewMasterKey())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", k.Out, err)
	}
	fmt.Fprintln(c.err, "Keep a copy of it elsewhere: without it the secrets in the database cannot be read.")
	return nil
}

type keyPairCmd struct {
	Dialect  string `default:"standard" placeholder:"NAME" help:"The dialect that it is for (default ${default})."`
	Dialects string `env:"MALOTE_DIALECTS" placeholder:"DIR" help:"Directory with your own dialect files."`
	JSON     bool   `name:"json" help:"Print JSON."`
}

// Run prints a new pair; nothing keeps it.
func (k *keyPairCmd) Run(c *console) error {
	catalog, err := app.LoadDialects(k.Dialects)
	if err != nil {
		return err
	}
	d, ok := catalog.Lookup(k.Dialect)
	if !ok {
		return usage(fmt.Sprintf("--dialect %s: there is no such dialect", k.Dialect), "`malote dialect list` shows them; --dialects DIR adds your own")
	}
	secret, public, ok := d.NewKeyPair()
	if !ok {
		return usage(fmt.Sprintf("--dialect %s: it has no Ed25519 signatures", d.Ref()), "take one that has, as standard has with v1a")
	}
	if k.JSON {
		return c.json(map[string]string{"secret": secret, "public_key": public})
	}
	c.facts("secret", secret, "public key", public)
	fmt.Fprintln(c.err, "The secret signs: give it to `malote endpoint create --secret` alone. The public key verifies: give it to the receiver.")
	return nil
}

type keyRootCmd struct {
	Data         string `env:"MALOTE_DATA" placeholder:"DIR" help:"The server's data directory; created if missing."`
	Database     string `env:"MALOTE_DATABASE" placeholder:"URL" help:"The server's database in PostgreSQL. A file is safer: other users can see a command line."`
	DatabaseFile string `env:"MALOTE_DATABASE_FILE" placeholder:"FILE" help:"File with that URL in its first line."`
	Name         string `default:"root" help:"What the key is for, to tell it from others."`
}

// Run makes the key and prints it, alone on stdout.
func (k *keyRootCmd) Run(c *console) error {
	log, err := app.NewLogger(c.err, "text", "warn")
	if err != nil {
		return err
	}
	url, err := app.DatabaseURL(k.Database, k.DatabaseFile)
	if err != nil {
		return err
	}
	text, err := app.CreateRootKey(context.Background(), app.Place{Data: k.Data, Database: url}, k.Name, log)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out, text)
	fmt.Fprintln(c.err, "The root key is not shown again: keep it where you keep passwords.")
	return nil
}
