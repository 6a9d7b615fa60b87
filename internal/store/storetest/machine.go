package storetest

import "testing"

func runMachine(t *testing.T, open Opener) { _ = t; _ = open }
