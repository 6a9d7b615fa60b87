package secret

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// ErrPlain says that a secret was about to be written to a database as it is.
var ErrPlain = errors.New("a secret is kept encrypted only")

// Text is a secret in memory. It prints, logs and marshals as "[redacted]",
// whatever the verb; only [Text.Reveal] gives the value. In a struct it
// belongs into an exported field: fmt cannot ask an unexported one how it
// wants to be printed.
type Text string

// Reveal returns the secret itself, for signing or for the one answer that shows it.
func (t Text) Reveal() string { return string(t) }

func (Text) String() string               { return redacted }
func (Text) GoString() string             { return redacted }
func (Text) LogValue() slog.Value         { return slog.StringValue(redacted) }
func (Text) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Format prints "[redacted]" for every verb: a wrong one would otherwise print
// the value in its complaint.
func (Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// Value refuses to be an argument of a statement. Errors: [ErrPlain].
func (Text) Value() (driver.Value, error) { return nil, ErrPlain }

// GobEncode encodes "[redacted]".
func (Text) GobEncode() ([]byte, error) { return []byte(redacted), nil }

var (
	_ slog.LogValuer = Text("")
	_ fmt.Formatter  = Text("")
	_ driver.Valuer  = Text("")
)
