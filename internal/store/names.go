package store

import "github.com/malote-dev/malote/webhook"

// How ids are written wherever people and programs meet them, in the API and
// in operational events: a readable prefix and the UUID in base32, as TypeID
// does, so that a log line says what an id is of, and a double click takes it
// whole.
var (
	ProjectName    = IDName("prj_")
	KeyName        = IDName("key_")
	EndpointName   = IDName("ep_")
	EventName      = IDName("evt_")
	DeliveryName   = IDName("dlv_")
	RequestName    = IDName("req_") // to this server's API, and of those that inspectors kept
	ConsumerName   = IDName("con_")
	EventTypeName  = IDName("typ_")
	AuditName      = IDName("aud_")
	ReplayName     = IDName("rpl_")
	SessionName    = IDName("ses_")
	MailboxName    = IDName("mbx_")
	LinkName       = IDName("lnk_")
	PersonName     = IDName("per_")
	SignInName     = IDName("sgn_")
	InvitationName = IDName("inv_")
	InspectorName  = IDName("ins_")
)

// IDName is the form of ids with a prefix.
func IDName(prefix string) webhook.IDFormat {
	return webhook.IDFormat{Form: webhook.FormBase32, Prefix: prefix}
}
