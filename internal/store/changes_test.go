package store

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestEveryFieldOfAnEndpointIsDiffed sets each field in turn: the audit log
// must say that something changed, and no value of a secret.
func TestEveryFieldOfAnEndpointIsDiffed(t *testing.T) {
	t.Parallel()
	// What the store itself sets, and what never changes.
	own := []string{"ID", "ProjectID", "Consumer", "StateReason", "StateSince", "FailureCount", "FailedAt", "CreatedAt", "UpdatedAt"}
	n := 0
	var each func(v reflect.Value, path string, check func(string))
	each = func(v reflect.Value, path string, check func(string)) {
		if v.Kind() == reflect.Struct && v.Type() != reflect.TypeFor[time.Time]() {
			for i := range v.NumField() {
				if name := v.Type().Field(i).Name; path != "" || !slices.Contains(own, name) {
					each(v.Field(i), path+"/"+name, check)
				}
			}
			return
		}
		old := reflect.New(v.Type()).Elem()
		old.Set(v)
		fill(t, v)
		check(path)
		v.Set(old)
	}
	var e Endpoint
	each(reflect.ValueOf(&e).Elem(), "", func(path string) {
		n++
		d := endpointChanges(&Endpoint{}, &e)
		if len(d) != 1 {
			t.Errorf("%s: %v", path, d)
		}
		for _, c := range d {
			if strings.Contains(c.Before+c.After, "canary") && !slices.Contains([]string{"/Name", "/Description", "/EventTypes", "/State", "/Settings/Channels", "/Settings/Filter", "/Settings/WireID", "/Auth/Kind"}, path) {
				t.Errorf("%s is shown: %v", path, d)
			}
		}
	})
	if n < 20 {
		t.Errorf("%d fields", n)
	}
}

func fill(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString("canary")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Slice:
		one := reflect.New(v.Type().Elem()).Elem()
		if one.Kind() == reflect.Struct {
			one.Field(0).SetString("canary")
		} else {
			fill(t, one)
		}
		v.Set(reflect.Append(v, one))
	default:
		t.Fatalf("no value for a %s", v.Type())
	}
}

func TestWhatAnUpdateAmountsTo(t *testing.T) {
	t.Parallel()
	active := &Endpoint{State: Active, Secrets: []SigningSecret{{Value: "a"}}}
	for name, c := range map[string]struct {
		change func(*Endpoint)
		want   Action
	}{
		"paused":          {func(e *Endpoint) { e.State = Paused }, ActionEndpointPause},
		"rotated":         {func(e *Endpoint) { e.Secrets = []SigningSecret{{Value: "b"}, {Value: "a"}} }, ActionEndpointRotate},
		"paused and more": {func(e *Endpoint) { e.State, e.Name = Paused, "n" }, ActionEndpointUpdate},
	} {
		e := cloneEndpoint(active)
		c.change(e)
		if got := endpointAction(endpointChanges(active, e), e.State); got != c.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}
