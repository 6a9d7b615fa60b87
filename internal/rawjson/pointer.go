package rawjson

import "strings"

// maxPointerToken bounds what a pointer repeats of a name that a caller sent.
const maxPointerToken = 64

// PointerToken is a member's name as it stands in a JSON pointer (RFC 6901);
// a long one is cut.
func PointerToken(name string) string {
	if len(name) > maxPointerToken {
		name = strings.ToValidUTF8(name[:maxPointerToken], "") + "…"
	}
	return escapes.Replace(name)
}

// PointerName is the member's name that a token of a JSON pointer stands for.
func PointerName(token string) string { return unescapes.Replace(token) }

var (
	escapes   = strings.NewReplacer("~", "~0", "/", "~1")
	unescapes = strings.NewReplacer("~1", "/", "~0", "~")
)
