package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/malote-dev/malote/internal/dashboard"
	"github.com/malote-dev/malote/internal/store"
)

// InvitePerson makes a one-time link to the console for a mail address, in a
// database in PostgreSQL, or in a data directory that no server uses, and
// returns its path: for the owner who cannot sign in any more. Errors: [*Problem].
func InvitePerson(ctx context.Context, at Place, email, role string, log *slog.Logger) (path string, err error) {
	if wrong := store.CheckEmail(email); !wrong.IsZero() {
		return "", &Problem{Kind: KindOption, What: fmt.Sprintf("%q %s", email, wrong), Fix: "write it as in ana@example.com"}
	}
	if !slices.Contains(store.Roles(), store.Role(role)) {
		return "", &Problem{Kind: KindOption, What: fmt.Sprintf("--role %q is no role", role), Fix: "take viewer, operator or owner"}
	}
	if p := at.check(); p != nil {
		return "", p
	}
	if _, err := os.Stat(at.Data); at.Data != "" && err != nil {
		return "", &Problem{What: at.named() + " " + at.Data + ": " + oneLine(err), Fix: "name the directory that the server uses"}
	}
	err = at.operate(ctx, log, func(ctx context.Context, db *store.DB) (err error) {
		path, err = dashboard.Invite(ctx, db, &store.Invitation{Email: email, Role: store.Role(role)})
		if errors.Is(err, store.ErrLimit) {
			return &Problem{Kind: KindOption, What: "there are too many people and invitations already", Fix: "revoke an invitation, or keep somebody out, on the page People"}
		}
		return err
	})
	if err != nil {
		return "", err
	}
	return path, nil
}
