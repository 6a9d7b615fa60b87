package api

import "net/netip"

// egressView is where webhooks come from.
type egressView struct {
	Addresses []string `json:"addresses"`
}

// getEgress says what the operator says: a receiver behind a firewall lets these in.
func (s *server) getEgress(*call) (egressView, error) {
	v := egressView{Addresses: []string{}}
	for _, p := range s.comesFrom {
		v.Addresses = append(v.Addresses, addressText(p))
	}
	return v, nil
}

// addressText writes a range, and a single address as one.
func addressText(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
