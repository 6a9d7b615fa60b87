package webhook

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"
)

// contractVector is one delivery as a company published it.
type contractVector struct {
	Contract, Event, Secret, Body, Header, Value string
}

func contractVectors(t *testing.T) []contractVector {
	t.Helper()
	b, err := os.ReadFile("testdata/contract-vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var vs []contractVector
	if err := json.Unmarshal(b, &vs); err != nil {
		t.Fatal(err)
	}
	if len(vs) != 6 {
		t.Fatalf("%d vectors, want 6", len(vs))
	}
	return vs
}

func builtinNamed(tb testing.TB, name string) *Dialect {
	tb.Helper()
	for _, d := range Builtin() {
		if d.Name == name {
			return d
		}
	}
	tb.Fatalf("no built-in dialect %s", name)
	return nil
}

// withIDs parses a dialect anew, with event and endpoint ids that are given
// rather than rendered: the vectors' ids come from no UUID.
func withIDs(t *testing.T, name, event, endpoint string) *Dialect {
	t.Helper()
	d, err := ParseDialect(name, builtinNamed(t, name).Source())
	if err != nil {
		t.Fatal(err)
	}
	d.plan.event = func(dst []byte, _ ID) []byte { return append(dst, event...) }
	d.plan.endpoint = func(dst []byte, _ ID) []byte { return append(dst, endpoint...) }
	return d
}

func TestContractVectorsRender(t *testing.T) {
	t.Parallel()
	for _, v := range contractVectors(t) {
		t.Run(v.Contract+"/"+v.Event, func(t *testing.T) {
			t.Parallel()
			var got struct {
				ID, Timestamp, WebhookID string
				UserID                   json.Number
				Data, Payload            json.RawMessage
			}
			if err := json.Unmarshal([]byte(v.Body), &got); err != nil {
				t.Fatal(err)
			}
			m := &Message{Type: v.Event, Consumer: got.UserID.String(), Data: got.Data}
			switch v.Contract {
			case "habilitar":
				m.Data = got.Payload
			case "gabinete360":
				m.Data = []byte("{" + v.Body[strings.Index(v.Body, `"severity"`):])
			}
			if got.Timestamp != "" {
				var err error
				if m.Time, err = time.Parse(time.RFC3339, got.Timestamp); err != nil {
					t.Fatal(err)
				}
			}
			d := withIDs(t, v.Contract, got.ID, got.WebhookID)
			if err := d.CheckEvent(m.Consumer, m.Data); err != nil {
				t.Fatal(err)
			}
			body, err := d.AppendBody(nil, m)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(body, []byte(v.Body)) {
				t.Errorf("body\n got %s\nwant %s", body, v.Body)
			}
			fields, err := d.AppendFields(nil, m, Try{Number: 1, At: time.Now()}, body, []string{v.Secret})
			if err != nil {
				t.Fatal(err)
			}
			found := 0
			for _, f := range fields {
				if f.Name == v.Header {
					found++
					if f.Value != v.Value {
						t.Errorf("signature\n got %s\nwant %s", f.Value, v.Value)
					}
				}
			}
			if found != 1 {
				t.Errorf("header %s stands %d times in %v", v.Header, found, fields)
			}
		})
	}
}

func benchMessage(d *Dialect) *Message {
	return &Message{
		ID: ID{1, 2, 3}, Type: "task.completed", Time: time.Date(2026, 1, 2, 3, 4, 5, 678e6, time.UTC),
		Data:     []byte(`{"task":{"name":"` + strings.Repeat("x", 900) + `"}}`),
		Endpoint: ID{4}, Delivery: ID{5}, Consumer: "123",
	}
}

func BenchmarkAppendBody(b *testing.B) {
	for _, d := range Builtin() {
		b.Run(d.Name, func(b *testing.B) {
			m := benchMessage(d)
			buf, _ := d.AppendBody(nil, m)
			b.ReportAllocs()
			for b.Loop() {
				buf, _ = d.AppendBody(buf[:0], m)
			}
		})
	}
}

func BenchmarkAppendFields(b *testing.B) {
	for _, d := range Builtin() {
		m := benchMessage(d)
		body, _ := d.AppendBody(nil, m)
		try := Try{Number: 2, At: m.Time.Add(time.Hour), Previous: m.Time}
		secrets := []string{d.NewSecret()}
		b.Run(d.Name+"/Dialect", func(b *testing.B) {
			b.ReportAllocs()
			var fields []Field
			for b.Loop() {
				fields, _ = d.AppendFields(fields[:0], m, try, body, secrets)
			}
		})
		b.Run(d.Name+"/Signer", func(b *testing.B) {
			s, _ := d.NewSigner(secrets)
			b.ReportAllocs()
			var fields []Field
			for b.Loop() {
				fields, _ = s.AppendFields(fields[:0], m, try, body)
			}
		})
	}
}
