package egress

import (
	"encoding/json"
	"os"
	"testing"
)

// corpusEntry is one URL of testdata/ssrf-corpus.json.
type corpusEntry struct {
	URL      string `json:"url"`
	Why      string `json:"why"`
	Expected string `json:"expected"`
	Category string `json:"category"`
	Setup    struct {
		DNS           *dnsRecords       `json:"dns"`
		DNSAtDelivery *dnsRecords       `json:"dns_at_delivery"`
		Redirect      []any             `json:"redirect"`
		Env           map[string]string `json:"env"`
		OwnAddresses  []string          `json:"own_addresses"`
	} `json:"setup"`
}

// dnsRecords is what the suite's DNS server answers for a name.
type dnsRecords struct {
	A     []string
	AAAA  []string
	CNAME string
}

const corpusSize = 204

func corpus(t testing.TB) []corpusEntry {
	t.Helper()
	b, err := os.ReadFile("testdata/ssrf-corpus.json")
	if err != nil {
		t.Fatal(err)
	}
	var list []corpusEntry
	if err := json.Unmarshal(b, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != corpusSize {
		t.Fatalf("%d entries, want %d", len(list), corpusSize)
	}
	return list
}

func TestCorpusAtCreation(t *testing.T) {
	t.Parallel()
	p := &Policy{AllowHTTP: true}
	for _, e := range corpus(t) {
		u, err := p.CheckURL(e.URL)
		if e.Expected == "reject at create" {
			if err == nil {
				t.Errorf("%q accepted as %s (%s)", e.URL, u, e.Why)
			} else {
				t.Logf("%.60q: %v", e.URL, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v (%s)", e.URL, err, e.Why)
			continue
		}
		again, err := p.CheckURL(u.String())
		if err != nil || again.String() != u.String() {
			t.Errorf("%q: canonical form %s is not its own: %v, %v", e.URL, u, again, err)
		}
	}
}
