package secret

import "testing"

func TestCodes(t *testing.T) {
	t.Parallel()
	old, fresh := NewMasterKey(), NewMasterKey()
	ring := func(keys ...string) *Keyring {
		t.Helper()
		r, err := NewKeyring(keys...)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	code := ring(old).Code([]byte("message"), "purpose")
	if len(code) != CodeSize {
		t.Fatalf("%d bytes", len(code))
	}
	for _, c := range []struct {
		name             string
		ring             *Keyring
		code             []byte
		message, purpose string
		want             bool
	}{
		{"the same", ring(old), code, "message", "purpose", true},
		{"an old key beside the new", ring(fresh, old), code, "message", "purpose", true},
		{"another key", ring(fresh), code, "message", "purpose", false},
		{"another message", ring(old), code, "massage", "purpose", false},
		{"another purpose", ring(old), code, "message", "propose", false},
		{"moved between the two", ring(old), code, "essage", "purpose\x00m", false},
		{"cut off", ring(old), code[:15], "message", "purpose", false},
		{"none", ring(old), nil, "message", "purpose", false},
	} {
		if got := c.ring.Coded(c.code, []byte(c.message), c.purpose); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
