// Package app owns options, wiring and lifecycle: the only package that knows
// everybody. [New] opens and connects, [App.Run] serves until it is told to
// stop, [App.Stop] takes down in the reverse order.
package app
