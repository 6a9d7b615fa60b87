package store

import (
	"context"
	"slices"
)

// How shards come to this process, and go from it.

// inherit takes over the shards of a process that died and whose slot is this
// one's now.
func (n *nodes) inherit(ctx context.Context) error {
	var got gains
	err := n.db.read(ctx, false, func(c *conn) error {
		return c.rows(ctx, "SELECT shard, true FROM shards WHERE slot=? ORDER BY shard", []any{n.engine.place}, got.scan)
	})
	if err != nil {
		return err
	}
	n.came(&got)
	return n.gain(ctx, &got)
}

// came notes who had shards before, as soon as they are this process's in the
// table: it may stop before anybody is told of them.
func (n *nodes) came(got *gains) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for i, s := range got.shards {
		n.died[s] = got.died[i]
	}
}

// gains are shards on their way to this process.
type gains struct {
	shards []Shard
	died   []bool
}

func (g *gains) scan(scan func(...any) error) (bool, error) {
	var s Shard
	var died bool
	err := scan(&s, &died)
	g.shards, g.died = append(g.shards, s), append(g.died, died)
	return true, err
}

const takeShards = `UPDATE shards s SET slot=?, died=false FROM (SELECT shard, died FROM shards WHERE slot IS NULL ORDER BY shard LIMIT ? FOR UPDATE SKIP LOCKED) free
	WHERE s.shard=free.shard RETURNING s.shard, free.died`

// take takes free shards, at most so many.
func (n *nodes) take(ctx context.Context, most int) error {
	took := make(chan gains, 1)
	err := n.db.tend(ctx, func(b *batch) error {
		var got gains
		b.dirty = true // so the commit is marked, and fails where this process lost its slot
		b.after = append(b.after, func() { n.came(&got); took <- got })
		return b.rows(takeShards, []any{n.engine.place, most}, got.scan)
	})
	if err != nil { // where ctx ended, it may happen yet
		return err
	}
	got := <-took
	return n.gain(ctx, &got)
}

// gain has memory know what it must of shards that are this process's now, and
// tells the owner.
func (n *nodes) gain(ctx context.Context, got *gains) error {
	if len(got.shards) == 0 {
		return nil
	}
	for _, s := range got.shards {
		n.mine[s] = holds
	}
	among := func(endpoint key) bool { return slices.Contains(got.shards, shardOf(endpoint)) }
	err := n.db.read(ctx, false, func(c *conn) error {
		r, err := readSends(ctx, c)
		if err == nil {
			n.db.sends.replace(r, among)
		}
		return err
	})
	if err == nil {
		err = n.db.tend(ctx, func(b *batch) error { return n.gainIn(b, got, among) })
	}
	if err != nil { // they are ours in the table: the next round gives them back, and somebody takes them
		n.mu.Lock()
		n.left = append(n.left, got.shards...)
		n.mu.Unlock()
	}
	return err
}

// gainIn is gain in the writer, where what it knows may change.
func (n *nodes) gainIn(b *batch, got *gains, among func(endpoint key) bool) error {
	w := b.w
	if err := b.readIncidents(among); err != nil {
		return err
	}
	chief := slices.Contains(got.shards, chiefShard)
	if chief {
		if err := n.db.countChores(context.Background(), b.c, &b.chores); err != nil {
			return err
		}
	}
	b.after = append(b.after, func() {
		n.db.forgetHealth(among)
		if chief {
			w.held, w.prune = heldBook{}, pruneRound{}
		}
		n.tellGained(got)
		if chief {
			n.db.replays.wake()
			n.db.mailsChanged()
		}
	})
	return nil
}

// tellGained makes shards this process's own.
func (n *nodes) tellGained(got *gains) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.moved.note(len(got.shards), 0)
	var by [2][]Shard
	for i, s := range got.shards {
		n.own(s, true)
		if got.died[i] {
			by[1] = append(by[1], s)
		} else {
			by[0] = append(by[0], s)
		}
	}
	for i, shards := range by {
		if len(shards) > 0 {
			n.db.tell(func(o Owner) { o.Gained(shards, i == 1) })
		}
	}
}

// introduce names the owner, and tells it what is owned already.
func (n *nodes) introduce(o Owner) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.db.owner.Store(&o)
	var by [2][]Shard
	for s := range Shards {
		if n.owns(s) {
			i := 0
			if n.died[s] {
				i = 1
			}
			by[i] = append(by[i], s)
		}
	}
	for i, shards := range by {
		if len(shards) > 0 {
			o.Gained(shards, i == 1)
		}
	}
}

// leave has the owner stop sending for so many shards. Each is given back by
// itself: what takes long in one keeps no other.
func (n *nodes) leave(count int) {
	owner := n.db.owner.Load()
	for s := Shards - 1; s >= 0 && count > 0; s-- {
		if h, ok := n.mine[s]; !ok || h == leaves {
			continue
		}
		n.mine[s] = leaves
		count--
		if owner == nil {
			n.gone(s)
			continue
		}
		(*owner).Leave([]Shard{s}, func() { n.gone(s) })
	}
}

// gone notes that nothing of a shard is under way any more.
func (n *nodes) gone(s Shard) {
	n.mu.Lock()
	n.left = append(n.left, s)
	n.mu.Unlock()
	n.look()
}

// giveBack frees what the owner left.
func (n *nodes) giveBack(ctx context.Context) error {
	n.mu.Lock()
	left := n.left
	n.left = nil
	n.mu.Unlock()
	if len(left) == 0 {
		return nil
	}
	list := make(keyList, len(left))
	for i, s := range left {
		list[i] = key(s)
	}
	n.mu.Lock()
	died := n.untold(left)
	n.mu.Unlock()
	err := n.db.tend(ctx, func(b *batch) error {
		b.after = append(b.after, func() { n.disown(left); n.tell() })
		return b.exec("UPDATE shards SET slot=NULL, died=shard=ANY(?::bigint[]) WHERE slot=? AND shard=ANY(?::bigint[])", died, n.engine.place, list)
	})
	if err != nil {
		n.mu.Lock()
		n.left = append(n.left, left...)
		n.mu.Unlock()
		return err
	}
	for _, s := range left {
		delete(n.mine, s)
	}
	return nil
}

// untold are those of shards that came from who died, before anybody here was
// told of it: whoever has them next is to be. n.mu is held.
func (n *nodes) untold(shards []Shard) keyList {
	out := keyList{}
	for _, s := range shards {
		if n.died[s] && !n.owns(s) {
			out = append(out, key(s))
		}
	}
	return out
}

// disown is called by the writer, after the commit.
func (n *nodes) disown(shards []Shard) {
	n.mu.Lock()
	defer n.mu.Unlock()
	gave := 0
	for _, s := range shards {
		if n.owns(s) {
			gave++
		}
		n.own(s, false)
	}
	n.moved.note(0, gave)
	if slices.Contains(shards, chiefShard) {
		n.db.w.chores = chores{}
	}
}
