package secret

import "log/slog"

const redacted = "[redacted]"

// Text is a secret in memory. It prints, logs and marshals as "[redacted]";
// only [Text.Reveal] gives the value.
type Text string

// Reveal returns the secret itself, for signing or for the one answer that shows it.
func (t Text) Reveal() string { return string(t) }

func (Text) String() string               { return redacted }
func (Text) GoString() string             { return redacted }
func (Text) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

var _ slog.LogValuer = Text("")
