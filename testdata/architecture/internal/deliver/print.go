// breaks: logging goes through slog, handed in

package deliver

import "log/slog"

func note() { slog.Info("sent") }
