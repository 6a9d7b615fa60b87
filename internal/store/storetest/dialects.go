package storetest

import (
	"bytes"
	"slices"
	"strings"

	"github.com/malote-dev/malote/internal/store"
)

func sameDialect(a, b store.KeptDialect) bool {
	return a.Ref == b.Ref && bytes.Equal(a.Source, b.Source)
}

var dialectCases = map[string]func(*shelf){
	"KeptThroughARestart": func(s *shelf) {
		want := []store.KeptDialect{
			{Ref: "acme/1", Source: []byte(`{"a":1}`)}, {Ref: "acme/2", Source: []byte(strings.Repeat("x", 1<<20))}, {Ref: "b/1", Source: []byte("b")},
		}
		s.no(s.db.KeepDialects(s.ctx))
		s.no(s.db.KeepDialects(s.ctx, want[2], want[0], want[1]))
		want[2].Source = []byte("other words")
		s.no(s.db.KeepDialects(s.ctx, want[2]))
		for range 2 {
			got, err := s.db.Dialects(s.ctx)
			s.no(err)
			if !slices.EqualFunc(want, got, sameDialect) { // cmp takes seconds for a megabyte
				s.Errorf("%.500v, want %.500v", got, want)
			}
			s.reopen()
		}
	},
	"UsedByWhatIsKept": func(s *shelf) {
		s.endpoint("c")
		s.accept("c", "x")
		for ref, want := range map[string]bool{"standard/1": true, "standard/2": false, "standard": false} {
			if used, err := s.db.DialectUsed(s.ctx, ref); used != want || err != nil {
				s.Errorf("%s: %v, %v", ref, used, err)
			}
		}
	},
}
