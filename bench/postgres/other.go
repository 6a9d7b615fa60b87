//go:build !unix

// Package postgres starts private PostgreSQL clusters, where processes have users and signals.
package postgres

import (
	"context"
	"errors"
	"time"
)

// Options of a cluster.
type Options struct {
	Fsync    bool
	Settings []string
}

// Cluster is a PostgreSQL server: there is none here.
type Cluster struct{}

var errElsewhere = errors.New("private PostgreSQL servers are started on Unix alone")

// Start fails.
func Start(context.Context, Options) (*Cluster, error) { return nil, errElsewhere }

// Create fails.
func (*Cluster) Create(context.Context, string, string) error { return errElsewhere }

// URL is empty.
func (*Cluster) URL(string) string { return "" }

// CPU fails.
func (*Cluster) CPU() (time.Duration, error) { return 0, errElsewhere }

// Close does nothing.
func (*Cluster) Close() error { return nil }
