// breaks: only the binary reads the command line and the environment

package ingest

import "os"

func configured() string { return os.Getenv("MALOTE_DATA") }
