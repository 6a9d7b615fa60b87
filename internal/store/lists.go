package store

import "time"

// Filter narrows a list; zero fields do not. From is inclusive, Until not;
// both judge CreatedAt.
type Filter struct {
	EventID    ID
	EndpointID ID
	Consumer   string
	// Own says that Consumer itself asks: nothing of others may show, also not in
	// where a page ends, so only lists of its own are walked.
	Own    bool
	Type   string
	States []State // of deliveries; none: all
	// MinStatus and MaxStatus bound the HTTP status of a delivery's last
	// attempt; NoAnswer is of those whose last attempt got none.
	MinStatus, MaxStatus int
	NoAnswer             bool
	Channel              string // that events were sent to
	// IdempotencyKey of events, as their callers sent it.
	IdempotencyKey string
	// Search is a text in the data of events, as it is kept or as JSON writes it,
	// whatever the case of its ASCII letters.
	Search      string
	From, Until time.Time
	Before      ID  // cursor: strictly older than this id
	Limit       int // at most 250
}

// Page is one page of a list, newest first. A page may be shorter than the
// limit, even empty, with Next set: the scan behind it is bounded.
type Page[T any] struct {
	Items []T
	Next  ID // cursor for the next page; zero at the end
}
