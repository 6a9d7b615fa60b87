package api

import "github.com/malote-dev/malote/internal/store"

// Words of the processes that serve.

var nodeTypes = map[string]typeWords{
	"nodesView": {name: "Nodes", text: "The processes that serve."},
	"nodeView":  {name: "Node", text: "A process that serves."},

	"egressView": {name: "EgressAddresses", text: "Where webhooks come from."},
}

var nodeFields = map[string]fieldWords{
	"egressView.addresses": {text: "Addresses and ranges of them, as in 203.0.113.7 and 2001:db8::/64, which a receiver's firewall has to let in; none: whoever runs the server has named none (--egress-address)."},

	"nodesView.data":         {text: "One for each process, by its slot."},
	"nodesView.shards_free":  {text: "Parts of the endpoints that no process sends for at the moment.", min: new(0), max: new(store.Shards)},
	"nodeView.slot":          {text: "Its place in the database: no two have the same at a time.", min: new(0)},
	"nodeView.host":          {text: "Name of its machine."},
	"nodeView.version":       {text: "Of the program; null: not known."},
	"nodeView.address":       {text: "That it listens on; null: not known."},
	"nodeView.state":         {text: "stopping: it hands over what it does. lost: its lease is over, and others are about to take what was its own.", enum: []string{string(store.NodeServing), string(store.NodeStopping), string(store.NodeLost)}},
	"nodeView.started_at":    {text: "When it began.", always: true},
	"nodeView.seen_at":       {text: "Its last sign of life, by the clock of the database.", always: true},
	"nodeView.lease_ends_at": {text: "When others take what is its own, unless it gives a sign of life before; null: there can be no others."},
	"nodeView.shards":        {text: "Parts of the endpoints that it sends for, of 256.", min: new(0), max: new(store.Shards)},
	"nodeView.chief":         {text: "Whether it does what one does for all: retention, statistics, mails."},
	"nodeView.answers":       {text: "Whether it is the one that answers."},
}

var nodeRoutes = map[string]routeWords{
	"GET /v1/egress-addresses": {id: "listEgressAddresses", tag: "Server", text: "For receivers behind a firewall. It is what whoever runs the server says; takes any key, and a portal session's token."},

	"GET /v1/nodes": {id: "listNodes", tag: "Server", text: "Those that share a database in PostgreSQL; with a directory of its own, the one that there is. One that died is listed until the others find it dead."},
}
