package api

import (
	"bytes"
	"slices"
	"strings"
)

// The parts of an OpenAPI 3.1 document that this API needs.
type document struct {
	OpenAPI    string            `json:"openapi"`
	Info       documentInfo      `json:"info"`
	Servers    []documentServer  `json:"servers"`
	Tags       []documentTag     `json:"tags"`
	Paths      ordered[pathItem] `json:"paths"`
	Components components        `json:"components"`

	intro string // of the page; empty: the description
	notes []note
}

type documentInfo struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
	License     struct {
		Name       string `json:"name"`
		Identifier string `json:"identifier"`
	} `json:"license"`
}

type documentServer struct {
	URL         string `json:"url"`
	Description string `json:"description"`
}

type documentTag struct {
	Name        string `json:"name"`
	Description string `json:"description"`
}

// The licence of the API's description.
const (
	license   = "Apache License 2.0"
	licenseID = "Apache-2.0"
)

// add puts an operation where it belongs.
func (d *document) add(pattern, method string, op *operation) {
	at := slices.IndexFunc(d.Paths, func(m member[pathItem]) bool { return m.Name == pattern })
	if at < 0 {
		at = len(d.Paths)
		d.Paths = append(d.Paths, member[pathItem]{Name: pattern})
	}
	d.Paths[at].Value = append(d.Paths[at].Value, member[*operation]{strings.ToLower(method), op})
}

// pathItem has the operations of a path by method, in lower case.
type pathItem = ordered[*operation]

type operation struct {
	ID          string                `json:"operationId"`
	Tags        []string              `json:"tags"`
	Summary     string                `json:"summary"`
	Description string                `json:"description,omitempty"`
	Security    []map[string][]string `json:"security"`
	Parameters  []parameterObject     `json:"parameters,omitempty"`
	Body        *requestBody          `json:"requestBody,omitempty"`
	Responses   ordered[*response]    `json:"responses"`
	Own         bool                  `json:"x-malote-own,omitempty"` // not in the company's documentation
}

type parameterObject struct {
	Ref         string  `json:"$ref,omitempty"`
	Name        string  `json:"name,omitempty"`
	In          string  `json:"in,omitempty"`
	Required    bool    `json:"required,omitempty"`
	Description string  `json:"description,omitempty"`
	Schema      *schema `json:"schema,omitempty"`
	Example     any     `json:"example,omitempty"`
}

type requestBody struct {
	Description string             `json:"description"`
	Required    bool               `json:"required"`
	Content     ordered[mediaType] `json:"content"`
}

type mediaType struct {
	Schema  *schema `json:"schema"`
	Example any     `json:"example,omitempty"`
}

type response struct {
	Ref         string                 `json:"$ref,omitempty"`
	Description string                 `json:"description,omitempty"`
	Headers     ordered[*headerObject] `json:"headers,omitempty"`
	Content     ordered[mediaType]     `json:"content,omitempty"`
}

type headerObject struct {
	Ref         string  `json:"$ref,omitempty"`
	Description string  `json:"description,omitempty"`
	Schema      *schema `json:"schema,omitempty"`
}

type components struct {
	Schemas    ordered[*schema]         `json:"schemas"`
	Responses  ordered[*response]       `json:"responses,omitempty"`
	Parameters ordered[parameterObject] `json:"parameters,omitempty"`
	Headers    ordered[*headerObject]   `json:"headers"`
	Security   ordered[securityScheme]  `json:"securitySchemes"`
}

type securityScheme struct {
	Type         string `json:"type"`
	Scheme       string `json:"scheme"`
	BearerFormat string `json:"bearerFormat"`
	Description  string `json:"description"`
}

// schema is a JSON Schema 2020-12.
type schema struct {
	Ref         string           `json:"$ref,omitempty"`
	Description string           `json:"description,omitempty"`
	Type        any              `json:"type,omitempty"` // a name, or several
	Format      string           `json:"format,omitempty"`
	Pattern     string           `json:"pattern,omitempty"`
	Enum        []any            `json:"enum,omitempty"`
	Const       any              `json:"const,omitempty"`
	Default     any              `json:"default,omitempty"`
	Minimum     *int             `json:"minimum,omitempty"`
	Maximum     *int             `json:"maximum,omitempty"`
	MinLength   *int             `json:"minLength,omitempty"`
	MaxLength   *int             `json:"maxLength,omitempty"`
	MinItems    *int             `json:"minItems,omitempty"`
	MaxItems    *int             `json:"maxItems,omitempty"`
	Distinct    bool             `json:"uniqueItems,omitempty"`
	MaxMembers  *int             `json:"maxProperties,omitempty"`
	Names       *schema          `json:"propertyNames,omitempty"`
	Items       *schema          `json:"items,omitempty"`
	Properties  ordered[*schema] `json:"properties,omitempty"`
	Required    []string         `json:"required,omitempty"`
	Additional  any              `json:"additionalProperties,omitempty"` // false, or a schema
	OneOf       []*schema        `json:"oneOf,omitempty"`
	If          *schema          `json:"if,omitempty"`
	Then        *schema          `json:"then,omitempty"`
}

// ordered are members of a JSON object in an order that is meant.
type ordered[T any] []member[T]

type member[T any] struct {
	Name  string
	Value T
}

// get finds a member; the zero value where there is none.
func (o ordered[T]) get(name string) (v T) {
	for _, m := range o {
		if m.Name == name {
			return m.Value
		}
	}
	return v
}

// MarshalJSON writes an object.
func (o ordered[T]) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, m := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := encode(m.Name)
		if err != nil {
			return nil, err
		}
		value, err := encode(m.Value)
		if err != nil {
			return nil, err
		}
		b.Write(bytes.TrimSpace(name))
		b.WriteByte(':')
		b.Write(bytes.TrimSpace(value))
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
