package api

import "github.com/malote-dev/malote/internal/store"

// nodeView is a process that serves.
type nodeView struct {
	Slot      int     `json:"slot"`
	Host      string  `json:"host"`
	Version   *string `json:"version"`
	Address   *string `json:"address"`
	State     string  `json:"state"`
	StartedAt stamp   `json:"started_at"`
	SeenAt    stamp   `json:"seen_at"`
	LeaseEnds stamp   `json:"lease_ends_at"`
	Shards    int     `json:"shards"`
	Chief     bool    `json:"chief"`
	Answers   bool    `json:"answers"`
}

// nodesView is all of them: there are 63 at most.
type nodesView struct {
	Data       []nodeView `json:"data"`
	ShardsFree int        `json:"shards_free"`
}

func (s *server) listNodes(c *call) (nodesView, error) {
	nodes, free, err := s.store.Nodes(c.r.Context())
	view := nodesView{Data: make([]nodeView, 0, len(nodes)), ShardsFree: free}
	for _, n := range nodes {
		view.Data = append(view.Data, viewNode(&n))
	}
	return view, err
}

func viewNode(n *store.Node) nodeView {
	known := func(text string) *string {
		if text == "" {
			return nil
		}
		return &text
	}
	return nodeView{
		Slot: n.Slot, Host: n.Host, Version: known(n.Version), Address: known(n.Address), State: string(n.State),
		StartedAt: stamp(n.StartedAt), SeenAt: stamp(n.SeenAt), LeaseEnds: stamp(n.LeaseEnds), Shards: n.Shards, Chief: n.Chief, Answers: n.Self,
	}
}
