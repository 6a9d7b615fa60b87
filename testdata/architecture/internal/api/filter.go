// breaks: only match knows the language of filters

package api

import "cel.dev/cel-go/cel"

var _ = cel.NewEnv
