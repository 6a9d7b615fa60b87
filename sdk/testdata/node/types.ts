// What a program in TypeScript says, compiled and not run: the declarations
// allow what the API takes, and refuse what it does not.
import { Malote, unwrap, verify, type Endpoint, type EndpointChange, type NewEndpoint } from '../../node/index.js';

export async function tour(malote: Malote): Promise<string | undefined> {
  const made: NewEndpoint = {
    url: 'https://example.com/', event_types: ['invoice.*'], name: 'ERP', headers: { 'X-A': '1' }, secret_type: 'ed25519', rate_limit: 5, concurrency: 2,
    timeout: 10, retry_schedule: [], channels: ['store-7'], filter: 'data.amount > 100', auth: { type: 'basic', username: 'u', password: 'p' }, emails: [],
  };
  const e: Endpoint = await malote.endpoints.create(made);
  const change: EndpointChange = { auth: null, filter: null, channels: null, retry_schedule: null, secret: null, secret_overlap: 0, headers: { 'X-A': null } };
  await malote.endpoints.update(e.id, change);
  if (e.auth?.type === 'mtls') await malote.endpoints.update(e.id, { auth: { ...e.auth, private_key: '[redacted]' } });
  await malote.endpoints.rotateSecret(e.id, { secret_overlap: 60 }, { idempotencyKey: 'k' });
  const seen = await malote.endpoints.preview({ endpoint_id: e.id, events: [{ type: 'invoice.paid', data: {}, channels: ['store-7'] }] });
  for await (const other of malote.endpoints.list({ state: 'paused,disabled', event_type: 'invoice.paid', search: 'erp', limit: 5 })) await malote.endpoints.resume(other.id);
  const sent = await malote.send({ type: 'invoice.paid', consumer: 'acme', data: { n: 1 }, channels: ['store-7'], timestamp: new Date() });
  const event = await malote.events.get(sent.id);
  const [first] = event.delivery_list ?? [];
  return first?.state === 'delivered' ? first.id : seen.results[0]?.reason ?? undefined;
}

export function receive(headers: Headers, body: Uint8Array): string | undefined {
  const verdict = verify({ headers, body, secrets: ['whsec_x'] });
  return verdict.ok ? unwrap<{ n: number }>({ headers, body, secret: 'whsec_x' }).data.n.toString() : verdict.cause;
}

// @ts-expect-error: a token has no user name
export const wrongAuth: NewEndpoint = { url: '', event_types: [], auth: { type: 'bearer', username: 'u' } };
// @ts-expect-error: waits are seconds
export const wrongWaits: EndpointChange = { retry_schedule: ['1m'] };
// @ts-expect-error: a mistyped field
export const wrongName: EndpointChange = { retrySchedule: [60] };
