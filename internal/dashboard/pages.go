package dashboard

import "github.com/malote-dev/malote/internal/store"

// pages is the whole console, one function for each group.
func (d *Dashboard) pages() []*page {
	all := []*page{
		{"GET", "/{$}", store.RoleViewer, "", (*visit).home},
		{"GET", "/signin", "", "", (*visit).signInPage},
		{"POST", "/signin", "", "", (*visit).signIn},
		{"GET", "/signin/identity", "", "", (*visit).askIdentity},
		{"GET", IdentityPath, "", "", (*visit).hearIdentity},
		{"POST", "/signout", store.RoleViewer, "", (*visit).signOut},
		{"GET", "/welcome/{token}", "", "", (*visit).welcomePage},
		{"POST", "/welcome/{token}", "", "", (*visit).takeInvitation},
		{"POST", "/preferences", "", "", (*visit).setPreferences},
	}
	all = append(all, accountPages()...)
	all = append(all, projectPages()...)
	all = append(all, verifyPages()...)
	all = append(all, inspectPages()...)
	all = append(all, portalPages()...)
	return append(all, endpointPages()...)
}

func accountPages() []*page {
	return []*page{
		{"GET", "/account", store.RoleViewer, "", (*visit).accountPage},
		{"POST", "/account/password", store.RoleViewer, "", (*visit).changePassword},
		{"POST", "/account/sessions/{session}/end", store.RoleViewer, "", (*visit).endSession},
		{"GET", "/people", store.RoleOwner, "", (*visit).peoplePage},
		{"GET", "/nodes", store.RoleOwner, "", (*visit).nodesPage},
		{"POST", "/people", store.RoleOwner, "", (*visit).invite},
		{"POST", "/people/{person}", store.RoleOwner, "", (*visit).changePerson},
		{"POST", "/people/invitations/{invitation}/revoke", store.RoleOwner, "", (*visit).uninvite},
	}
}

func projectPages() []*page {
	return []*page{
		{"GET", "/projects", store.RoleViewer, "", (*visit).projectsPage},
		{"GET", "/projects/new", store.RoleOwner, "", (*visit).newProjectPage},
		{"POST", "/projects", store.RoleOwner, "", (*visit).createProject},
		{"GET", "/p/{project}", store.RoleViewer, "", (*visit).overviewPage},
		{"GET", "/p/{project}/events", store.RoleViewer, "", (*visit).eventsPage},
		{"GET", "/p/{project}/events/live", store.RoleViewer, "", (*visit).tailEventsPage},
		{"GET", "/p/{project}/events/live/stream", store.RoleViewer, "", (*visit).tailEvents},
		{"GET", "/p/{project}/deliveries/live", store.RoleViewer, "", (*visit).tailDeliveriesPage},
		{"GET", "/p/{project}/deliveries/live/stream", store.RoleViewer, "", (*visit).tailDeliveries},
		{"GET", "/p/{project}/events/{id}", store.RoleViewer, "", (*visit).eventPage},
		{"POST", "/p/{project}/events/{id}/replay", store.RoleOperator, "", (*visit).replayEvent},
		{"GET", "/p/{project}/deliveries", store.RoleViewer, "", (*visit).deliveriesPage},
		{"GET", "/p/{project}/deliveries/{id}", store.RoleViewer, "", (*visit).deliveryPage},
		{"POST", "/p/{project}/deliveries/{id}/retry", store.RoleOperator, "", (*visit).retryDelivery},
		{"POST", "/p/{project}/deliveries/{id}/cancel", store.RoleOperator, "", (*visit).cancelDelivery},
		{"GET", "/p/{project}/deliveries/{id}/compare", store.RoleViewer, "", (*visit).comparePage},
		{"POST", "/p/{project}/deliveries/{id}/curl", store.RoleOperator, "", (*visit).curlPage},
		{"GET", "/p/{project}/deliveries/{id}/edit", store.RoleOperator, "", (*visit).editPage},
		{"POST", "/p/{project}/deliveries/{id}/edit", store.RoleOperator, "", (*visit).sendEdited},
		{"GET", "/p/{project}/consumers", store.RoleViewer, "", (*visit).consumersPage},
		{"GET", "/p/{project}/consumers/{uid}", store.RoleViewer, "", (*visit).consumerPage},
		{"POST", "/p/{project}/consumers/{uid}", store.RoleOperator, "", (*visit).changeConsumer},
		{"POST", "/p/{project}/consumers/{uid}/portal", store.RoleOperator, "", (*visit).makePortalLink},
		{"POST", "/p/{project}/consumers/{uid}/portal/end", store.RoleOperator, "", (*visit).endPortalSessions},
		{"POST", "/p/{project}/consumers/{uid}/delete", store.RoleOperator, "", (*visit).deleteConsumer},
		{"GET", "/p/{project}/event-types", store.RoleViewer, "", (*visit).eventTypesPage},
		{"GET", "/p/{project}/dialects", store.RoleViewer, "", (*visit).dialectsPage},
		{"POST", "/p/{project}/dialects", store.RoleViewer, "", (*visit).dialectsPage},
		{"GET", "/p/{project}/event-types/new", store.RoleOperator, "", (*visit).newEventTypePage},
		{"POST", "/p/{project}/event-types", store.RoleOperator, "", (*visit).createEventType},
		{"GET", "/p/{project}/event-types/{name}", store.RoleViewer, "", (*visit).eventTypePage},
		{"POST", "/p/{project}/event-types/{name}", store.RoleOperator, "", (*visit).changeEventType},
		{"POST", "/p/{project}/event-types/{name}/delete", store.RoleOperator, "", (*visit).deleteEventType},
		{"GET", "/p/{project}/keys", store.RoleViewer, "", (*visit).keysPage},
		{"POST", "/p/{project}/keys", store.RoleOwner, "", (*visit).createKey},
		{"POST", "/p/{project}/keys/{key}/revoke", store.RoleOwner, "", (*visit).revokeKey},
		{"GET", "/p/{project}/settings", store.RoleViewer, "", (*visit).settingsOfProject},
		{"POST", "/p/{project}/settings/logo", store.RoleOwner, "", (*visit).changeLogo},
		{"POST", "/p/{project}/settings", store.RoleOwner, "", (*visit).changeProject},
		{"GET", "/p/{project}/audit", store.RoleViewer, "", (*visit).auditPage},
	}
}

func endpointPages() []*page {
	return []*page{
		{"GET", "/p/{project}/endpoints", store.RoleViewer, "", (*visit).endpointsPage},
		{"GET", "/p/{project}/endpoints/new", store.RoleOperator, "", (*visit).newEndpointPage},
		{"POST", "/p/{project}/endpoints", store.RoleOperator, "", (*visit).createEndpoint},
		{"GET", "/p/{project}/endpoints/{id}", store.RoleViewer, "", (*visit).endpointPage},
		{"GET", "/p/{project}/endpoints/{id}/edit", store.RoleOperator, "", (*visit).settingsPage},
		{"POST", "/p/{project}/endpoints/{id}/edit", store.RoleOperator, "", (*visit).changeSettings},
		{"POST", "/p/{project}/endpoints/{id}/delete", store.RoleOperator, "", (*visit).deleteEndpoint},
		{"POST", "/p/{project}/endpoints/{id}/missed", store.RoleOperator, "", (*visit).sendMissed},
		{"POST", "/p/{project}/endpoints/{id}/pause", store.RoleOperator, "", (*visit).pauseEndpoint},
		{"POST", "/p/{project}/endpoints/{id}/resume", store.RoleOperator, "", (*visit).resumeEndpoint},
		{"POST", "/p/{project}/endpoints/{id}/rotate", store.RoleOperator, "", (*visit).rotateEndpoint},
		{"POST", "/p/{project}/endpoints/{id}/checkup", store.RoleOperator, "", (*visit).checkupEndpoint},
		{"POST", "/p/{project}/endpoints/{id}/test", store.RoleOperator, "", (*visit).testEndpoint},
		{"POST", "/p/{project}/endpoints/{id}/recover", store.RoleOperator, "", (*visit).recoverEndpoint},
	}
}
