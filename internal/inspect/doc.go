// Package inspect receives for inspectors: throw-away addresses that keep what
// arrives there, for people and tests to look at, and answer as they are told.
//
// It is the handler of a listener of its own. What it answers is a stranger's:
// it never shares an origin with the API or the pages, every answer is
// sandboxed, and none sets a cookie.
//
// Header lines are kept in the order and the spelling in which they were sent,
// which net/http forgets: [Listen] has each connection remember the head of
// the request under way.
package inspect
