package dashboard

import (
	"net/http"

	"github.com/malote-dev/malote/client"
	"github.com/malote-dev/malote/internal/lang"
)

// nodesView is the processes that serve.
type nodesView struct {
	*client.Nodes
	Free lang.Message // zero: every shard has somebody
}

func (v *visit) nodesPage() error {
	nodes, err := read[client.Nodes](v, serverWide, "/v1/nodes", nil)
	if err != nil {
		return err
	}
	view := &nodesView{Nodes: nodes}
	if nodes.ShardsFree > 0 {
		view.Free = lang.Count(nodes.ShardsFree, "%d shard of 256 is nobody's at the moment.", "%d shards of 256 are nobody's at the moment.")
	}
	return v.show(http.StatusOK, "nodes", lang.Text("Nodes"), view)
}
