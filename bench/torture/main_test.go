package main

import (
	"strings"
	"testing"
)

// TestNothingIsLeftOutUnread: where a machine runs the torture, a part that
// cannot run is a failure.
func TestNothingIsLeftOutUnread(t *testing.T) {
	t.Parallel()
	if err := complete(false, "true"); err == nil || !strings.HasPrefix(err.Error(), "MISSING PROGRAM: strace") {
		t.Errorf("without strace: %v", err)
	}
	for _, err := range []error{complete(true, "true"), complete(false, ""), complete(true, "")} {
		if err != nil {
			t.Error(err)
		}
	}
}
