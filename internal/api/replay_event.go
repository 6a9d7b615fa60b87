package api

import (
	"errors"

	"github.com/malote-dev/malote/internal/store"
)

// eventReplayInput says where an event is sent again.
type eventReplayInput struct {
	EndpointID optional[string] `json:"endpoint_id" body:"optional"`
}

// eventReplayed is what came of it.
type eventReplayed struct {
	EventID string   `json:"event_id"`
	Again   []string `json:"again"`
	New     []string `json:"new"`
}

// endpointNamed reads the endpoint that a body names, if it is the key's to see.
func (s *server) endpointNamed(c *call, text string) (*store.Endpoint, error) {
	none := field("/endpoint_id", "is no endpoint of this project that the key may see")
	id, err := parseID(endpointID, text)
	if err != nil {
		return nil, none
	}
	e, err := s.store.Endpoint(c.r.Context(), c.key.ProjectID, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && !mayAct(c.key, e.Consumer) {
		return nil, none
	}
	return e, err
}

// eventOf reads the event of the path, if it is the key's to see.
func (s *server) eventOf(c *call) (*store.Event, error) {
	id, err := pathID(c, eventID)
	if err != nil {
		return nil, err
	}
	e, err := s.store.Event(c.r.Context(), c.key.ProjectID, id)
	if err == nil && !maySee(c.key, e.Consumer, e.CreatedAt) {
		err = store.ErrNotFound
	}
	return e, err
}

func (s *server) replayEvent(c *call, in *eventReplayInput) (eventReplayed, error) {
	e, err := s.eventOf(c)
	if err != nil {
		return eventReplayed{}, err
	}
	var endpoint store.ID
	if in.EndpointID.given() {
		one, err := s.endpointNamed(c, in.EndpointID.Value)
		if err != nil {
			return eventReplayed{}, err
		}
		endpoint = one.ID
	}
	r, err := s.store.ReplayEvent(c.r.Context(), c.key.ProjectID, e.ID, endpoint)
	switch {
	case errors.Is(err, store.ErrUnwanted):
		return eventReplayed{}, field("/endpoint_id", "names an endpoint that neither got this event nor wants it; change what it wants, or name another")
	case errors.Is(err, store.ErrNotFound) && in.EndpointID.given():
		return eventReplayed{}, field("/endpoint_id", "is an endpoint of a consumer that the event is not for")
	case errors.Is(err, store.ErrLimit):
		return eventReplayed{}, kindConflict.problemf("the event has more than %d deliveries, the most that are sent again at once", store.MaxReplayed).
			fixed("Name one endpoint, or replay by filter: POST /v1/replays.")
	case errors.Is(err, store.ErrConflict):
		return eventReplayed{}, kindConflict.problem("the event's broadcast goes on, or what one of its endpoints held is being skipped right now").
			fixed("Try again in a moment.").because(err)
	case err != nil:
		return eventReplayed{}, err
	}
	return eventReplayed{EventID: eventID.Format(e.ID), Again: views(r.Again, deliveryID.Format), New: views(r.New, deliveryID.Format)}, nil
}
