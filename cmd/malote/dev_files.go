package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Files of a development data directory, beside the database. All are 0600:
// they hold keys.
const (
	devMasterKey = "master.key"
	devRootKey   = "root.key"
	devStateFile = "dev.json"
)

// devState is what a restart needs to go on where the last run stopped.
type devState struct {
	path     string
	Receiver string                 `json:"receiver"` // host:port of the receiver inside the process
	Inspect  string                 `json:"inspect"`  // host:port that inspectors receive on
	Projects map[string]*devProject `json:"projects"` // by dialect
}

// devProject is what the first run with a dialect made.
type devProject struct {
	Project  string `json:"project"`
	Key      string `json:"key"`
	Consumer string `json:"consumer"`
	Endpoint string `json:"endpoint"`
	URL      string `json:"url"`
	Secret   string `json:"secret"`
	Greeted  bool   `json:"greeted"` // the first event was sent
}

// devDir is where development data lives when nobody says: one place for each
// user, as the XDG base directories want it.
func devDir() string {
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "malote", "dev")
	}
	if home, err := os.UserHomeDir(); err == nil {
		return filepath.Join(home, ".local", "state", "malote", "dev")
	}
	return ".malote"
}

func loadDevState(dir string) (*devState, error) {
	s := &devState{path: filepath.Join(dir, devStateFile), Projects: map[string]*devProject{}}
	text, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, s); err != nil {
		return nil, &failure{what: s.path + " is not readable: " + err.Error(), fix: "delete it: the next run makes a new project", code: exitFailure, err: err}
	}
	if s.Projects == nil {
		s.Projects = map[string]*devProject{}
	}
	return s, nil
}

// save replaces the file as a whole: a crash leaves the old or the new one.
func (s *devState) save() error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	next := s.path + ".new"
	if err := os.WriteFile(next, append(text, '\n'), 0o600); err != nil {
		return err
	}
	return os.Rename(next, s.path)
}

// keyFile reads a key from a file; where there is none it makes one.
func keyFile(dir, name string, create func() (string, error)) (string, error) {
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	key, err := create()
	if err != nil {
		return "", err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	if _, err = f.WriteString(key + "\n"); err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return "", fmt.Errorf("keep %s: %w", path, err)
	}
	return key, nil
}
