package egress

import (
	"crypto/tls"
	"crypto/x509"
	"regexp"
	"strings"
	"testing"

	"github.com/malote-dev/malote/internal/lang"
)

// TestAlertsInWords: every alert of TLS that the library has a name for, is
// said in our words, and in Portuguese without a word of the library's.
func TestAlertsInWords(t *testing.T) {
	t.Parallel()
	named := 0
	for n := range 256 {
		alert := tls.AlertError(n).Error() // tls: name, or tls: alert(n)
		detail := alertDetail(alert, nil)
		said := lang.Recall(detail).In(lang.Portuguese)
		name := strings.TrimPrefix(alert, "tls: ")
		if regexp.MustCompile(`^alert\(\d+\)$`).MatchString(name) {
			if !strings.HasSuffix(said, "um alerta TLS: alerta "+strings.Trim(name, "alert()")) {
				t.Errorf("%s: %s", alert, said)
			}
			continue
		}
		if said == detail || strings.Contains(said, name) || strings.Contains(said, "alerta TLS: alert") {
			t.Errorf("%s: %s | %s", alert, detail, said)
			continue
		}
		named++
	}
	if named < 25 {
		t.Errorf("only %d alerts have names", named)
	}
}

func TestFaultsOfChainsInWords(t *testing.T) {
	t.Parallel()
	for reason := x509.NotAuthorizedToSign; reason <= x509.NoValidChains; reason++ {
		e := &x509.CertificateInvalidError{Cert: &x509.Certificate{}, Reason: reason}
		detail := invalidDetail(e)
		if said := lang.Recall(detail).In(lang.Portuguese); said == detail || strings.Contains(said, "x509") {
			t.Errorf("%d: %s | %s", reason, detail, said)
		}
	}
}
