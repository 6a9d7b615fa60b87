package app

import (
	"io"
	"log/slog"
)

// NewLogger makes the process's logger: format is "text" or "json", level
// "debug", "info", "warn" or "error". Errors: [*Problem].
func NewLogger(w io.Writer, format, level string) (*slog.Logger, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(level)); err != nil {
		return nil, wrongOption("log-level", level, "is not a level", "choose debug, info, warn or error")
	}
	o := &slog.HandlerOptions{Level: l, ReplaceAttr: inWords}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, wrongOption("log-format", format, "is not a format", "choose text or json")
}

// inWords writes durations as people do, also in JSON: "10s" and not nanoseconds.
func inWords(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}
