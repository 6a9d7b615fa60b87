package store

// Beside has a store in PostgreSQL opened beside the one that serves.
func Beside(o Options) Options {
	o.beside = true
	return o
}
