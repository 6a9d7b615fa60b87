package webhook

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawID(t *rapid.T) ID {
	return ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
}

func TestIDFormats(t *testing.T) {
	t.Parallel()
	id, err := ParseUUID("0194758a-c938-7a11-8b22-c3d4e5f60701")
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		format IDFormat
		want   string
	}{
		{IDFormat{FormUUID, ""}, "0194758a-c938-7a11-8b22-c3d4e5f60701"},
		{IDFormat{FormBase32, "evt_"}, "evt_01jhtrnj9rf88rp8p3tkjzc1r1"},
		// Pinned: an event's id must stay what its receivers have seen.
		{IDFormat{FormAlnum16, ""}, "tTIoBOHBZRAclms7"},
	}
	for _, tt := range tests {
		if got := tt.format.Format(id); got != tt.want {
			t.Errorf("%+v: %s, want %s", tt.format, got, tt.want)
		}
	}
	// The published examples of TypeID.
	for text, uuid := range map[string]string{
		"00000000000000000000000000": "00000000-0000-0000-0000-000000000000",
		"00000000000000000000000001": "00000000-0000-0000-0000-000000000001",
		"0000000000000000000000000a": "00000000-0000-0000-0000-00000000000a",
		"0000000000000000000000000g": "00000000-0000-0000-0000-000000000010",
		"00000000000000000000000010": "00000000-0000-0000-0000-000000000020",
		"7zzzzzzzzzzzzzzzzzzzzzzzzz": "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"0123456789abcdefghjkmnpqrs": "0110c853-1d09-52d8-d73e-1194e95b5f19",
		"01h455vb4pex5vsknk084sn02q": "01890a5d-ac96-774b-bcce-b302099a8057",
	} {
		id, err := IDFormat{FormBase32, ""}.Parse(text)
		if err != nil || id.String() != uuid {
			t.Errorf("%s is %s, %v, want %s", text, id, err, uuid)
		}
	}
	for _, wrong := range []string{
		"", "evt_", "evt_8zzzzzzzzzzzzzzzzzzzzzzzzz", "evt_01JHTRNJ9RF88RP8P3TKJZC1R1", "01jhtrnj9rf88rp8p3tkjzc1r1",
		"evt_01jhtrnj9rf88rp8p3tkjzc1r", "evt_01jhtrnj9rf88rp8p3tkjzc1r11", "evt_01jhtrnj9rf88rp8p3tkjzc1ru",
	} {
		if _, err := (IDFormat{FormBase32, "evt_"}).Parse(wrong); !errors.Is(err, ErrID) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	if _, err := (IDFormat{FormAlnum16, ""}).Parse("tTIoBOHBZRAclms7"); !errors.Is(err, ErrIDForm) {
		t.Errorf("alnum16: %v", err)
	}
}

func TestIDsReadBackAndSort(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawID(t), drawID(t)
		for _, f := range []IDFormat{{FormUUID, ""}, {FormBase32, "evt_"}, {FormUUID, "x-"}} {
			back, err := f.Parse(f.Format(a))
			if err != nil || back != a {
				t.Fatalf("%s reads back as %s, %v", f.Format(a), back, err)
			}
			if bytes.Compare(a[:], b[:]) != strings.Compare(f.Format(a), f.Format(b)) {
				t.Fatalf("%s and %s sort another way than their UUIDs", f.Format(a), f.Format(b))
			}
		}
		s := IDFormat{FormAlnum16, ""}.Format(a)
		if len(s) != 16 || strings.Trim(s, alnum) != "" || (s == IDFormat{FormAlnum16, ""}.Format(b)) != (a == b) {
			t.Fatalf("alnum16: %s", s)
		}
	})
}

// Each of the 62 characters is equally likely: chi-squared over 160,000.
func TestAlnum16IsUniform(t *testing.T) {
	t.Parallel()
	var counts [256]int
	const ids = 10_000
	for i := range ids {
		for _, c := range appendAlnum16(nil, ID{byte(i), byte(i >> 8)}) {
			counts[c]++
		}
	}
	want, chi := float64(ids*16)/62, 0.0
	for _, c := range []byte(alnum) {
		d := float64(counts[c]) - want
		chi += d * d / want
	}
	if chi > 120 { // 61 degrees of freedom: p < 1e-5; always the same ids
		t.Errorf("chi-squared is %.0f", chi)
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"evt_01jhtrnj9rf88rp8p3tkjzc1r1", "0194758A-C938-7A11-8B22-C3D4E5F60701", "evt_", "", "evt_7zzzzzzzzzzzzzzzzzzzzzzzzz"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, format := range []IDFormat{{FormUUID, ""}, {FormBase32, "evt_"}} {
			if id, err := format.Parse(s); err == nil && format.Format(id) != strings.ToLower(s) {
				t.Errorf("%q reads as %s, which is written %q", s, id, format.Format(id))
			}
		}
	})
}
