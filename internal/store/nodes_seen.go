package store

import (
	"context"
	"math/bits"
	"os"
	"time"
)

// What people see of the processes that serve with a database: a list of them,
// figures, and a line in the log when one comes or goes.

// Node is a process that serves.
type Node struct {
	Slot      int    // its place: no two have the same at a time
	Host      string // name of the machine
	Version   string // of the program; empty: not known
	Address   string // that it listens on; empty: not known
	StartedAt time.Time
	SeenAt    time.Time // its last sign of life
	LeaseEnds time.Time // others then take what is its own; zero: nobody does
	Shards    int       // that it sends for, of [Shards]
	Self      bool      // it is this process
	Chief     bool      // see [DB.Chief]
	State     NodeState
}

// NodeState is how a process is.
type NodeState string

// They are these.
const (
	NodeServing  NodeState = "serving"
	NodeStopping NodeState = "stopping" // it hands over what it does
	NodeLost     NodeState = "lost"     // its lease is over, and others are about to find that
)

const listNodes = `SELECT n.slot, n.host, n.version, n.address, n.started, n.until-make_interval(secs=>n.lease), n.until, n.leaving, n.until<now(),
	count(s.shard), coalesce(bool_or(s.shard=?), false) FROM nodes n LEFT JOIN shards s ON s.slot=n.slot WHERE n.open AND NOT n.died GROUP BY n.slot ORDER BY n.slot`

// Nodes lists the processes that serve with the database, and counts the shards
// that none of them sends for. A process that died is in it until others find
// it dead.
func (db *DB) Nodes(ctx context.Context) (nodes []Node, free int, err error) {
	if db.nodes == nil {
		return []Node{db.onlyNode()}, 0, nil
	}
	err = db.read(ctx, true, func(c *conn) error {
		if _, err := c.row(ctx, "SELECT count(*) FROM shards WHERE slot IS NULL", nil, &free); err != nil {
			return err
		}
		return c.rows(ctx, listNodes, []any{chiefShard}, func(scan func(...any) error) (bool, error) {
			n := Node{State: NodeServing}
			var leaving, dead bool
			err := scan(&n.Slot, &n.Host, &n.Version, &n.Address, &n.StartedAt, &n.SeenAt, &n.LeaseEnds, &leaving, &dead, &n.Shards, &n.Chief)
			switch n.Self = n.Slot == db.nodes.engine.place; {
			case dead:
				n.State = NodeLost
			case leaving:
				n.State = NodeStopping
			}
			nodes = append(nodes, n)
			return true, err
		})
	})
	return nodes, free, err
}

// onlyNode is this process, where no other can serve with its database.
func (db *DB) onlyNode() Node {
	return Node{
		Host: hostName(), Version: db.o.Version, Address: db.o.Address, StartedAt: db.started, SeenAt: time.Now(),
		Shards: Shards, Self: true, Chief: true, State: NodeServing,
	}
}

// NodesSeen says how many processes serve, this one among them, and how many
// shards none sends for: as of a look about a second ago.
func (db *DB) NodesSeen() (alive, free int) {
	if db.nodes == nil {
		return 1, 0
	}
	return int(db.nodes.alive.Load()), int(db.nodes.free.Load())
}

// hostName is that of this machine; empty: it has none.
func hostName() string {
	name, _ := os.Hostname() // for people
	return name
}

// neighbour is another process that lives.
type neighbour struct {
	seat
	host string
}

// notice says in the log who came and who went since the last look.
func (n *nodes) notice(ctx context.Context, now []neighbour) error {
	was := n.others
	others := make(map[int]neighbour, len(now))
	for _, o := range now {
		others[o.slot] = o
		if w, known := was[o.slot]; was != nil && (!known || w.token != o.token) {
			n.db.log.Info("another process serves with the database", "slot", o.slot, "host", o.host, "processes", len(now)+1)
		}
	}
	if was == nil && len(now) > 0 {
		n.db.log.Info("other processes serve with the database", "processes", len(now)+1)
	}
	for _, w := range was {
		if others[w.slot].token == w.token {
			continue
		}
		if err := n.tellFate(ctx, w, others, len(now)+1); err != nil {
			return err
		}
	}
	n.others = others
	return nil
}

// tellFate says what became of a process that does not live any more. One that
// is yet to be found dead is told of by whoever finds it.
func (n *nodes) tellFate(ctx context.Context, w neighbour, others map[int]neighbour, processes int) error {
	var token int64
	var open, died bool
	err := n.db.read(ctx, false, func(c *conn) error {
		_, err := c.row(ctx, "SELECT token, open, died FROM nodes WHERE slot=?", []any{w.slot}, &token, &open, &died)
		return err
	})
	if err != nil {
		return err
	}
	attrs := []any{"slot", w.slot, "host", w.host, "processes", processes}
	switch {
	case token == w.token && !open:
		n.db.log.Info("another process left in order", attrs...)
	case token == w.token:
		others[w.slot] = w // dead, and nobody found it yet
	case died:
		n.db.log.Warn("another process gave no sign of life, and a third one saw to it", attrs...)
	default:
		n.db.log.Info("another process is gone, and a new one has its place", attrs...)
	}
	return nil
}

// moves are shards that came and went since the log said so.
type moves struct {
	gained, gave int
	first, last  time.Time
}

func (m *moves) note(gained, gave int) {
	if gained+gave == 0 {
		return
	}
	m.last = time.Now()
	if m.gained+m.gave == 0 {
		m.first = m.last
	}
	m.gained, m.gave = m.gained+gained, m.gave+gave
}

const reportAfter = 5 * roundEvery // while shards keep moving

// report says in one line what moved, once nothing does any more or it took long.
func (n *nodes) report(end bool) {
	n.mu.Lock()
	m := n.moved
	if m.gained+m.gave == 0 || !end && time.Since(m.last) < roundEvery && time.Since(m.first) < reportAfter {
		n.mu.Unlock()
		return
	}
	n.moved = moves{}
	n.mu.Unlock()
	n.db.log.Info("shards moved", "gained", m.gained, "gave_up", m.gave, "owned", n.count())
}

// count counts what is owned.
func (n *nodes) count() (owned int) {
	for i := range n.owned {
		owned += bits.OnesCount64(n.owned[i].Load())
	}
	return owned
}

// watch says in the log when this process's lease ends without a renewal, and
// when it was renewed after all.
func (n *nodes) watch() {
	lapsed := false
	for pauseFor(n.ctx, roundEvery) {
		over := !time.Now().Before(n.engine.leaseEnds())
		switch {
		case over && !lapsed:
			n.db.log.Warn("the lease on the database ended and cannot be renewed: nothing is sent, and others take over", "owned", n.count())
		case lapsed && !over:
			n.db.log.Info("the lease on the database is renewed: nobody took over meanwhile")
		}
		lapsed = over
	}
}
