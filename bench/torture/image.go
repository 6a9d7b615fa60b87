package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	_ "modernc.org/sqlite" // looks at the files from outside, without the server
)

// sqliteHeader begins every SQLite database.
var sqliteHeader = []byte("SQLite format 3\x00")

// database finds the one in a data directory.
func database(dir string) (string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		head := make([]byte, len(sqliteHeader))
		_, err = f.Read(head)
		f.Close()
		if err == nil && bytes.Equal(head, sqliteHeader) {
			return path, nil
		}
	}
	return "", fmt.Errorf("no SQLite database in %s", dir)
}

func openDatabase(dir string) (*sql.DB, error) {
	path, err := database(dir)
	if err != nil {
		return nil, err
	}
	return sql.Open("sqlite", path)
}

// closing ends the use of an image; it is thrown away afterwards.
func closing(db *sql.DB) { _ = db.Close() }

// integrity has SQLite check a database that nobody uses.
func integrity(ctx context.Context, dir string) error {
	db, err := openDatabase(dir)
	if err != nil {
		return err
	}
	defer closing(db)
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&verdict); err != nil {
		return fmt.Errorf("integrity check: %w", err)
	}
	if verdict != "ok" {
		return errors.New("integrity check: " + verdict)
	}
	return nil
}

// missingIn names the keys whose event, or one of its deliveries, is not in
// the database of a directory.
func missingIn(ctx context.Context, dir string, keys []string) ([]string, error) {
	if err := integrity(ctx, dir); err != nil {
		return nil, err
	}
	db, err := openDatabase(dir)
	if err != nil {
		return nil, err
	}
	defer closing(db)
	rows, err := db.QueryContext(ctx, `SELECT e.idempotency, count(d.event)
		FROM events e LEFT JOIN (SELECT event FROM queue UNION ALL SELECT event FROM deliveries) d ON d.event = e.k
		GROUP BY e.k`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	there := map[string]int{}
	for rows.Next() {
		var key string
		var deliveries int
		if err := rows.Scan(&key, &deliveries); err != nil {
			return nil, err
		}
		there[key] = deliveries
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var missing []string
	for _, k := range keys {
		if there[k] != perConsumer {
			missing = append(missing, k)
		}
	}
	return missing, nil
}
