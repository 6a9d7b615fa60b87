// Package webhook signs and verifies webhooks.
//
// It owns the wire: what a delivery looks like to the one who receives it.
// A [Dialect] is a wire contract as data: envelope, headers, signature,
// schedule, limits. The same dialect renders and signs when sending and
// verifies when receiving. The package uses the standard library only, so a
// receiver can import it without importing a server.
//
// Receivers use [Receiver], or [Dialect.Verify] and [Dialect.ParseEvent].
// Senders use [Dialect.Sign], or [Dialect.AppendBody] and a [Signer] where
// every microsecond counts. [Standard] is the dialect of Standard Webhooks;
// [Builtin] lists all that come with the package, [ParseDialect] and
// [LoadCatalog] read others. A dialect is found by its name in a catalog:
//
//	catalog, err := webhook.NewCatalog()   // the built-in ones, and your own
//	tarefa, ok := catalog.Lookup("tarefa")
//	header, body, err := tarefa.Sign(&webhook.Message{ID: webhook.NewID(), …}, webhook.Try{}, secret)
//	hook := &webhook.Receiver{Dialect: tarefa, Secrets: []string{secret}, Handle: …}
package webhook
