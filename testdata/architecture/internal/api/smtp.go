// breaks: only mail speaks SMTP
package api

import gomail "github.com/wneessen/go-mail"

var _ = gomail.NewMsg
