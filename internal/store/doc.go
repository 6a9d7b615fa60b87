// Package store keeps what Malote knows: the nouns, the rules that hold for
// them, and the SQL. Everything else asks it; nothing else speaks SQL.
//
// Work and history are apart. The queue holds only what is pending; events,
// final deliveries and attempts are append-only. An acceptance is one durable
// commit of the event and its deliveries.
package store
