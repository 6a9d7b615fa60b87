package ingest

import "time"

// CheckSample judges an event that is only looked at, and puts its channels in
// order. It may name no consumer. Errors: [FieldErrors].
func (i *Ingester) CheckSample(r *Request, now time.Time) error {
	var errs FieldErrors
	errs.AddText("/type", CheckType(r.Type))
	if r.Consumer != "" && r.Consumer != "*" {
		errs.AddText("/consumer", CheckUID(r.Consumer))
	}
	i.checkData(r, &errs)
	errs.AddText("/timestamp", checkTime(r.Timestamp, now))
	r.checkChannels(&errs)
	if len(errs) > 0 {
		return errs
	}
	return nil
}
