package api

import "github.com/malote-dev/malote/internal/store"

// explainInspected explains a request that arrived by its inspector's dialect
// and secret. What the secret makes of it is not told: whoever reads requests
// need not have the secret.
func (s *server) explainInspected(c *call) (explanationView, error) {
	i, r, err := s.inspected(c)
	if err != nil {
		return explanationView{}, err
	}
	d, ok := s.dialects(i.Dialect)
	switch {
	case i.Dialect == "" || i.Secret == "":
		return explanationView{}, kindConflict.problem("the inspector has no dialect or no secret to verify with").
			fixed("Give it both: its settings are the fields dialect and secret.")
	case !ok:
		return explanationView{}, kindConflict.problemf("%s is no dialect of this server any more", i.Dialect)
	case r.Incomplete || r.BodyBytes > store.MaxInspectedBody:
		return explanationView{}, kindConflict.problem("the body is not all there, so it cannot be verified")
	}
	done, err := s.explaining.take(senderOf(c.key))
	if err != nil {
		return explanationView{}, err
	}
	defer done()
	v := viewExplanation(d, d.Explain(headerOf(r.Head), r.Body, []string{i.Secret.Reveal()}, r.ReceivedAt(), s.newestDialects()...))
	for n := range v.Expected {
		v.Expected[n].Signature = nil
	}
	return v, nil
}
