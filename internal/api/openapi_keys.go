package api

import "github.com/malote-dev/malote/internal/store"

// Words of the routes for keys, portal sessions and one-time links.

var keyTypes = map[string]typeWords{
	"keyInput":      {name: "KeyCreate", text: "A new key.", required: []string{"scopes"}},
	"keyView":       {name: "NewKey", text: "A key as it is made: this answer is the only one that shows it."},
	"keyListed":     {name: "Key", text: "A key, by what it begins with."},
	"rootKeyInput":  {name: "RootKeyCreate", text: "A new root key."},
	"rootKeyView":   {name: "NewRootKey", text: "A root key as it is made: this answer is the only one that shows it."},
	"rootKeyListed": {name: "RootKey", text: "A root key, by what it begins with."},
	"rootKeyRevoke": {name: "RootKeyRevoke", text: "How to revoke."},
	"meView":        {name: "Me", text: "What a key is, and what it may do."},
	"meProduct":     {name: "MyProject", text: "The key's project."},
	"sessionInput":  {name: "PortalSessionCreate", text: "A new portal session."},
	"sessionView":   {name: "PortalSession", text: "A portal session, by what its token begins with."},
	"newSession":    {name: "NewPortalSession", text: "A portal session as it is made: this answer is the only one that shows its token."},
	"sessionsEnded": {name: "PortalSessionsEnded", text: "What was ended."},
	"linkInput":     {name: "SecretLinkCreate", text: "A new one-time link."},
	"linkView":      {name: "SecretLink", text: "A one-time link, without its address."},
	"newLink":       {name: "NewSecretLink", text: "A one-time link as it is made: this answer is the only one that shows its address."},
}

const scopesText = `What the key may do; "*" is all of it but keys:write.`

var keyFields = map[string]fieldWords{
	".scopes":                {text: scopesText, enum: append([]string{allScopes}, Scopes()...)},
	"keyInput.name":          {text: "For people.", maxLength: new(maxName), pattern: plainForm},
	"keyInput.scopes":        {text: scopesText, minItems: new(1), enum: append([]string{allScopes}, Scopes()...)},
	"keyInput.consumer":      {text: "The uid of the one consumer that the key acts for.", minLength: new(1), maxLength: new(128), pattern: uidForm},
	"keyInput.prefix":        {text: "What the key begins with instead of mlt_prod_ or mlt_dev_, as in pk_.", minLength: new(2), maxLength: new(maxKeyPrefix), pattern: "^[a-zA-Z0-9_]*_$"},
	"keyInput.key":           {text: "A key that the company gave out before, which goes on to be valid; left out: one is made.", minLength: new(minOwnKey), maxLength: new(maxOwnKey), pattern: ownKeyForm},
	"keyInput.expires_at":    {text: "A time to come; left out: never."},
	"keyView.id":             {text: "The key's id.", pattern: idPattern("key_")},
	"keyView.key":            {text: "The key itself: keep it secret."},
	"keyView.prefix":         {text: "What the key begins with."},
	"keyView.consumer":       {text: "The one consumer that the key acts for; null: all."},
	"keyView.expires_at":     {text: "When it ends; null: never."},
	"keyListed.id":           {text: "The key's id.", pattern: idPattern("key_")},
	"keyListed.prefix":       {text: "What the key begins with."},
	"keyListed.consumer":     {text: "The one consumer that the key acts for; null: all."},
	"keyListed.expires_at":   {text: "When it ends; null: never."},
	"keyListed.revoked_at":   {text: "When it was revoked; null: it was not."},
	"keyListed.last_used_at": {text: "About when it was last used: kept with a delay of a minute."},

	"rootKeyInput.name":          {text: "For people.", maxLength: new(maxName), pattern: plainForm},
	"rootKeyInput.expires_at":    {text: "A time to come; left out: never."},
	"rootKeyView.key":            {text: "The key itself: keep it secret."},
	"rootKeyListed.id":           {text: "The key's id.", pattern: idPattern("key_")},
	"rootKeyListed.prefix":       {text: "What the key begins with."},
	"rootKeyListed.expires_at":   {text: "When it ends; null: never."},
	"rootKeyListed.revoked_at":   {text: "When it was revoked; null: it was not."},
	"rootKeyListed.last_used_at": {text: "About when it was last used: kept with a delay of a minute."},
	"rootKeyRevoke.last":         {text: "Revokes it also where no other root key is in force.", standard: false},

	"meView.kind":           {text: "A root key, a key of a whole project, one of one consumer, or a portal session's token.", enum: []string{meRoot, meProject, meConsumer, mePortal}},
	"meView.id":             {text: "The id of the key, or of the portal session.", pattern: "^(key|ses)_" + ulidForm + "$"},
	"meView.prefix":         {text: "What it begins with."},
	"meView.project":        {text: "Its project; null: it is a root key."},
	"meView.consumer":       {text: "The one consumer that it acts for; null: all."},
	"meView.access":         {text: "Of a portal session: what it may do; null: it is a key.", enum: portalAccesses()},
	"meView.expires_at":     {text: "When it ends; null: never."},
	"meProduct.id":          {text: "The project's id.", pattern: idPattern("prj_")},
	"meProduct.environment": {text: "Where the product runs.", enum: []string{"production", "development"}},
	"meProduct.dialect":     {text: "The wire contract of its webhooks."},

	"sessionInput.access":      {text: "read: see the consumer's endpoints, event types, events, deliveries and statistics. manage: also create, change, test and delete its endpoints, and retry and cancel its deliveries.", enum: portalAccesses(), standard: string(store.PortalRead)},
	"sessionInput.expires_in":  {text: "Seconds until it ends.", min: new(minSession), max: new(maxSession), standard: defaultSession},
	"sessionView.id":           {text: "The session's id.", pattern: idPattern("ses_")},
	"sessionView.access":       {text: "What it may do.", enum: portalAccesses()},
	"sessionView.prefix":       {text: "What its token begins with."},
	"sessionView.made_by":      {text: "The key that it was made with, or the person of the console who made it: it ends when that is revoked, or this one kept out.", pattern: idPattern("(key|per)_")},
	"sessionView.expires_at":   {text: "When it ends.", always: true},
	"sessionView.last_used_at": {text: "About when it was last used: kept with a delay of a minute; null: never."},
	"newSession.token":         {text: "The bearer token: give it to the customer's own browser or program, never in a URL's path or query.", pattern: "^" + portalPrefix},
	"newSession.scopes":        {text: "What it may do, within its consumer."},
	"newSession.path":          {text: "The path of a link that opens the portal in a browser, once: send the customer there. It is good for as long as the session."},
	"newSession.url":           {text: "That link, whole; null where the server does not know its own address (--public-url).", format: "uri"},
	"newSession.embed_path":    {text: "The path of the portal for a frame in a page of yours, whose origin is among the project's portal_origins. The token stands behind the #: browsers send it to nobody."},
	"newSession.embed_url":     {text: "The same, whole; null where the server does not know its own address.", format: "uri"},
	"sessionsEnded.ended":      {text: "How many were in force.", min: new(0)},

	"linkInput.expires_in": {text: "Seconds until it ends.", min: new(minLink), max: new(maxLink), standard: defaultLink},
	"linkView.id":          {text: "The link's id.", pattern: idPattern("lnk_")},
	"linkView.endpoint_id": {text: "The endpoint whose secret it shows.", pattern: idPattern("ep_")},
	"linkView.state":       {text: "open: nobody has opened it yet.", enum: linkStates()},
	"linkView.expires_at":  {text: "When it ends.", always: true},
	"linkView.opened_at":   {text: "When it was opened; null: it was not."},
	"linkView.opened_from": {text: "The address that it was opened from; behind a proxy, the proxy's."},
	"linkView.revoked_at":  {text: "When it was revoked; null: it was not."},
	"newLink.path":         {text: "The link's path on this server. Whoever has it can open it."},
	"newLink.url":          {text: "The whole link; null where the server does not know its own address (--public-url).", format: "uri"},
}

var keyParameters = map[string]fieldWords{
	"key":     {text: "The key's id."},
	"session": {text: "The portal session's id."},
	"link":    {text: "The link's id."},
	"token":   {text: "The link's token."},
}

var keyRoutesWords = map[string]routeWords{
	"GET /v1/me":                          {id: "getMe", tag: "Access", text: "Which project and consumer it is of, what it may do, and until when."},
	"POST /v1/projects/{id}/keys":         {id: "createKey", tag: "Access", text: "This answer is the only one that shows the key. A project's key gives away only what it has itself.", problems: []int{409, 422}, example: `{"name":"backend","scopes":["*"]}`},
	"GET /v1/projects/{id}/keys":          {id: "listKeys", tag: "Access", text: "Oldest first, also those that have expired or were revoked. The keys themselves are not kept, only what they begin with."},
	"DELETE /v1/projects/{id}/keys/{key}": {id: "revokeKey", tag: "Access", text: "No request that begins after the answer passes with it, or with a portal session that was made with it. It stays in the list. A project's key revokes only what it could have made."},
	"POST /v1/keys":                       {id: "createRootKey", tag: "Access", text: "To replace a root key: make the new one, change over, revoke the old one.", problems: []int{409, 422}, example: `{"name":"operations"}`},
	"GET /v1/keys":                        {id: "listRootKeys", tag: "Access", text: "Oldest first, also those that have expired or were revoked."},
	"DELETE /v1/keys/{key}":               {id: "revokeRootKey", tag: "Access", text: "The last one that is in force only with last.", problems: []int{409}, example: `{"last":true}`},

	"POST /v1/consumers/{uid}/portal-sessions":             {id: "createPortalSession", tag: "Access", text: "A short-lived token for the customer's own pages: what it may do, it may do with this consumer's endpoints alone. It ends with the key that it was made with, and with its consumer.", problems: []int{409, 422}, example: `{"access":"manage","expires_in":3600}`},
	"GET /v1/consumers/{uid}/portal-sessions":              {id: "listPortalSessions", tag: "Access", text: "Those in force, oldest first."},
	"DELETE /v1/consumers/{uid}/portal-sessions":           {id: "endPortalSessions", tag: "Access", text: "No request that begins after the answer passes with their tokens."},
	"DELETE /v1/consumers/{uid}/portal-sessions/{session}": {id: "endPortalSession", tag: "Access", text: "No request that begins after the answer passes with its token."},

	"POST /v1/endpoints/{id}/secret-links":          {id: "createSecretLink", tag: "Access", text: "To hand a secret over: the link shows it once, with all that verifying takes, to whoever opens it first.", problems: []int{409, 422}, example: `{"expires_in":604800}`},
	"GET /v1/endpoints/{id}/secret-links":           {id: "listSecretLinks", tag: "Access", text: "Newest first, also those that were opened, revoked, or are over."},
	"DELETE /v1/endpoints/{id}/secret-links/{link}": {id: "revokeSecretLink", tag: "Access", problems: []int{409}},
	"GET /s/{token}":  {id: "showSecretLink", tag: "Access", text: "A page that says what the link is, and opens nothing: programs may look at it.", problems: []int{410, 429, 503}, media: "text/html", pages: true},
	"POST /s/{token}": {id: "openSecretLink", tag: "Access", text: "What the page's button does: shows the secret, once.", problems: []int{400, 408, 410, 413, 429, 503}, media: "text/html", pages: true},
}

func portalAccesses() []string { return []string{string(store.PortalRead), string(store.PortalManage)} }

func linkStates() []string {
	return []string{string(store.LinkOpen), string(store.LinkOpened), string(store.LinkRevoked), string(store.LinkExpired)}
}
