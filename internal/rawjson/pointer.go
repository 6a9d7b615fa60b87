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
	return strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}
