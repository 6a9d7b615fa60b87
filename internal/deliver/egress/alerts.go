package egress

import (
	"strings"

	"github.com/malote-dev/malote/internal/lang"
)

// alerts are what a server may say in the place of a handshake, by the names
// that the library has for them.
var alerts = map[string]lang.Kept{
	"close notify":                    "it ended the connection",
	"unexpected message":              "it got a message that it did not expect",
	"bad record MAC":                  "it got a record that was changed on the way",
	"decryption failed":               "it could not decrypt what it got",
	"record overflow":                 "it got a record that is too long",
	"decompression failure":           "it could not decompress what it got",
	"handshake failure":               "it found no way to agree",
	"bad certificate":                 "the certificate is damaged, or its signature is wrong",
	"unsupported certificate":         "it does not take certificates of this kind",
	"revoked certificate":             "the certificate was revoked",
	"expired certificate":             "the certificate has expired",
	"unknown certificate":             "it does not take the certificate",
	"illegal parameter":               "it got a value that is not allowed",
	"unknown certificate authority":   "it does not know the authority of the certificate",
	"access denied":                   "it denies access",
	"error decoding message":          "it could not read what it got",
	"error decrypting message":        "it found a signature wrong, or could not decrypt",
	"export restriction":              "it may not use ciphers of this strength",
	"no renegotiation":                "it does not negotiate again",
	"certificate unobtainable":        "it could not fetch the certificate",
	"unknown PSK identity":            "it does not know the key that was agreed before",
	"protocol version not supported":  "it does not speak this version of TLS",
	"insufficient security level":     "it wants ciphers that are stronger",
	"internal error":                  "it has a fault of its own",
	"inappropriate fallback":          "it refuses an older version of TLS",
	"user canceled":                   "it was cancelled there",
	"missing extension":               "it misses an extension of TLS",
	"unsupported extension":           "it got an extension of TLS that it does not know",
	"unrecognized name":               "it does not know this host name",
	"certificate required":            "it demands a client certificate",
	"no application protocol":         "it does not speak HTTP/1.1 over TLS",
	"encrypted client hello required": "it demands an encrypted client hello",
}

// alertWords says what an alert means; of an unknown one its number.
func alertWords(alert string) string {
	name := strings.TrimPrefix(alert, "tls: ")
	if words, known := alerts[name]; known {
		return lang.Keep(words)
	}
	return lang.Keep("alert %s", strings.TrimSuffix(strings.TrimPrefix(name, "alert("), ")"))
}

// dnsFaults are what the library says of name servers.
var dnsFaults = map[string]lang.Kept{
	"server misbehaving":           "server failure",
	"lame referral":                "they do not serve this domain",
	"cannot unmarshal DNS message": "their answer cannot be read",
	"cannot marshal DNS message":   "the name cannot be asked for",
	"invalid DNS response":         "their answer is not to the question",
	"no answer from DNS server":    "no answer",
}

// dnsWords says what a lookup failed of.
func dnsWords(fault string) string {
	if words, known := dnsFaults[fault]; known {
		return lang.Keep(words)
	}
	return fault
}
