package match

import (
	"time"

	"cel.dev/cel-go/common/cost"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
)

// What filters may cost, in units of CEL: about 15 are a microsecond.
const (
	MaxEstimate  = 1_000_000              // of one filter as it is saved, for lists of usual size
	MaxCost      = 200_000                // of one filter for one event
	MaxEventCost = 1_000_000              // of all filters for one event; whoever is past it is not judged
	MaxCallCost  = 10_000_000             // of all filters for all events of one call
	MaxTime      = 500 * time.Millisecond // of all filters for one event
	callTimes    = 4                      // as long may all filters for all events of one call take

	usualSize = 100 // items of a list, characters of a text
)

// usual estimates what a filter costs where nothing is known of the data.
type usual struct{}

func (usual) EstimateCallCost(string, string, *cost.AstNode, []cost.AstNode) *cost.CallEstimate {
	return nil
}

func (usual) EstimateSize(node cost.AstNode) *cost.SizeEstimate {
	if len(node.Path()) == 0 {
		return nil
	}
	return &cost.SizeEstimate{Max: usualSize}
}

// meter charges for what CEL's own costs leave out: the depth of what is
// compared, and operations on values whose kinds are known only at run time.
type meter struct{}

func (meter) CallCost(function, _ string, args []ref.Val, result ref.Val) *uint64 {
	n := 0
	switch function {
	case "matches":
		n = 8 * length(args[0])
	case "_==_", "_!=_":
		if a := weigh(args[0], MaxCost); a > 1 {
			n = weigh(args[1], a)
		}
	case "@in":
		if needle := weigh(args[0], MaxCost); needle > 1 {
			n = weigh(args[1], MaxCost)
		} else {
			n = items(args[1])
		}
	case made:
		n = weigh(result, MaxCost+1)
	case "_+_":
		if n = items(result); n == 0 {
			n = length(result) / 10
		} else if _, grows := result.(traits.MutableLister); grows {
			n = items(args[1])
		}
	case "contains", "startsWith", "endsWith":
		return nil // by the library, as texts are
	default:
		for _, a := range args {
			n += length(a) / 10
		}
	}
	if n <= 1 {
		return nil
	}
	c := uint64(n)
	return &c
}

func length(v ref.Val) int {
	switch v := v.(type) {
	case types.String:
		return len(v)
	case types.Bytes:
		return len(v)
	}
	return 0
}

func items(v ref.Val) int {
	if list, ok := v.(traits.Lister); ok {
		n, _ := list.Size().(types.Int)
		return int(n)
	}
	return 0
}
