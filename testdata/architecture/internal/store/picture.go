// breaks: imports follow the table of ARCHITECTURE.md

package store

import _ "github.com/malote-dev/malote/internal/deliver"
