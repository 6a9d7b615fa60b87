// Package rig starts the real binary in a process of its own, speaks to it
// over HTTP as any user would, and reads what the kernel knows of it. The
// benchmark, the torture program and the acceptance tests stand on it. It
// imports nothing else of this module.
package rig
