package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/malote-dev/malote/client"
)

type nodeCmd struct {
	List nodeListCmd `cmd:"" help:"List the processes that serve: who lives, what version, who sends for how much (root key)."`
}

type nodeListCmd struct{ remote }

// Run lists the processes, and says which endpoints nobody sends for.
func (n *nodeListCmd) Run(c *console) error {
	return ask(&n.remote, c, func(ctx context.Context, api *client.Client) (*client.Nodes, error) {
		return api.Nodes(ctx)
	}, func(got *client.Nodes) {
		t := newTable(c, "SLOT", "HOST", "ADDRESS", "VERSION", "STATE", "STARTED", "SEEN", "LEASE ENDS", "SHARDS", "")
		for _, n := range got.Data {
			var notes []string
			if n.Chief {
				notes = append(notes, "chief")
			}
			if n.Answers {
				notes = append(notes, "answers")
			}
			t.row(n.Slot, n.Host, n.Address, n.Version, n.State, stamp(n.StartedAt), stamp(n.SeenAt), stampOf(n.LeaseEndsAt), n.Shards, strings.Join(notes, ", "))
		}
		_ = t.flush() // a reader who is gone is no failure
		if got.ShardsFree > 0 {
			fmt.Fprintf(c.out, "%d shards of 256 are nobody's at the moment.\n", got.ShardsFree)
		}
	})
}
