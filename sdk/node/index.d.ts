/** How a request's headers may be given. Where the framework joins doubled headers (Node's req.headers), prefer req.rawHeaders. */
export type HeadersLike =
  | Iterable<readonly [string, string]>
  | readonly string[]
  | { forEach(callback: (value: string, name: string) => void): void } // fetch's Headers
  | { [name: string]: string | readonly string[] | undefined };

export type Cause =
  | 'no_secret'
  | 'missing_header'
  | 'malformed'
  | 'clock'
  | 'wrong_secret'
  | 'body_changed'
  | 'wrong_secret_or_body';

export type Verdict =
  | { ok: true; proof: 'verified' | 'authenticated'; cause?: undefined; detail?: undefined }
  | { ok: false; proof?: undefined; cause: Cause; /** for logs, not for the sender */ detail: string };

/** A dialect file, as docs/dialects.md describes it. */
export interface Dialect {
  name: string;
  revision: number;
  envelope: { shape: unknown };
  headers: { name: string; value: string; when?: string }[];
  signature: {
    header: string;
    message?: string;
    separator?: string;
    schemes: {
      algorithm: string;
      encoding?: string;
      prefix?: string;
      key: { decoding: string; prefix?: string; public_prefix?: string; min_bytes?: number; max_bytes?: number };
    }[];
    timestamp?: { header?: string; item?: string; format: string; tolerance: string } | null;
    rotation: string;
  };
  [field: string]: unknown;
}

export interface Request {
  /** Name of a built-in dialect, or a dialect file of your own, parsed. Default: standard. */
  dialect?: string | Dialect;
  headers: HeadersLike;
  /** The raw body, exactly as it came in, before any JSON parser. */
  body: Uint8Array | string;
  secret?: string;
  /** Those in force while a secret rotates; any one may match. */
  secrets?: readonly string[];
  /** Milliseconds since 1970. Default: now. */
  now?: number | Date;
}

/** A delivery as its receiver reads it; what the dialect does not send is absent. */
export interface Event<T = unknown> {
  /** The same for every delivery of the event: take each once. */
  id?: string;
  type?: string;
  time?: Date;
  data: T;
  endpoint?: string;
  consumer?: string;
  attempt?: number;
}

/** Judges a delivery. It throws only where it is called wrongly. */
export function verify(request: Request): Verdict;
/** Verifies a delivery and reads its event; throws VerificationError otherwise. */
export function unwrap<T = any>(request: Request): Event<T>;
/** The built-in dialects. */
export function dialects(): Dialect[];

export class VerificationError extends Error {
  readonly cause: Cause;
  readonly detail: string;
}

export interface Options {
  /** Of the server, as in http://127.0.0.1:8400. */
  url: string;
  key: string;
  /** Repeats after a failure of calls that are safe to repeat. Default 3. */
  retries?: number;
  /** Of one try, in milliseconds. Default 60,000. */
  timeout?: number;
  fetch?: typeof globalThis.fetch;
}

export class MaloteError extends Error {
  /** 0: there was no answer. */
  readonly status: number;
  /** As in conflict, invalid-value, not-found. */
  readonly type: string;
  readonly title: string;
  readonly detail: string;
  readonly errors: { pointer?: string; parameter?: string; header?: string; detail: string }[];
  readonly fix: string;
  readonly requestId: string;
  /** Seconds. */
  readonly retryAfter?: number;
}

export interface NewEvent {
  type: string;
  /** "*": every consumer. */
  consumer: string;
  data: unknown;
  timestamp?: string | Date;
  /** Names that endpoints may choose events by; at most 10. */
  channels?: string[];
}

export interface SendOptions {
  idempotencyKey?: string;
  signal?: AbortSignal;
}

export interface Sent {
  id: string;
  deliveries: number;
  unreached?: string;
  duplicate?: boolean;
  more?: boolean;
}

export interface Batch {
  accepted: number;
  refused: number;
  results: (Sent | { error: { type: string; status: number; detail: string } })[];
}

export interface StoredEvent {
  id: string;
  type: string;
  consumer: string;
  timestamp: string;
  channels: string[];
  idempotency_key: string | null;
  dialect: string;
  test: boolean;
  deliveries: number;
  /** Why it reached nobody. */
  unreached?: string;
  created_at: string;
  /** Of a single read, with a key that may read deliveries: the newest 50. */
  delivery_list?: Delivery[];
  /** Of a single read. */
  data?: unknown;
}

/** What requests are authenticated with beside their signature. As it is read, secrets are "[redacted]"; sent back like that they stay. */
export type EndpointAuth =
  | { type: 'basic'; username: string; password: string }
  | { type: 'bearer'; token: string }
  | { type: 'mtls'; /** PEM, the leaf first. */ certificate: string; /** PEM. */ private_key: string };

/** What an endpoint chooses for itself; null or left out: the dialect's, or the server's. */
export interface EndpointSettings {
  /** Deliveries a minute. */
  rate_limit?: number | null;
  /** Attempts in flight at once. */
  concurrency?: number | null;
  /** Seconds that an answer is waited for, once connected. */
  timeout?: number | null;
  /** Seconds to wait before each further attempt; []: one attempt alone. */
  retry_schedule?: number[] | null;
  /** Only events that carry one of these. */
  channels?: string[] | null;
  /** Only events that this CEL expression is true for. */
  filter?: string | null;
  auth?: EndpointAuth | null;
  /** Who is told by mail when it fails; null: its consumer's, []: nobody. */
  emails?: string[] | null;
}

export interface NewEndpoint extends EndpointSettings {
  consumer?: string;
  url: string;
  event_types: string[];
  name?: string;
  description?: string;
  headers?: Record<string, string>;
  secret?: string;
  /** Of one that the server makes. */
  secret_type?: 'symmetric' | 'ed25519';
  enabled?: boolean;
}

export interface EndpointChange extends EndpointSettings {
  url?: string;
  event_types?: string[];
  name?: string | null;
  description?: string | null;
  headers?: Record<string, string | null> | null;
  /** null has the server make one. */
  secret?: string | null;
  secret_type?: 'symmetric' | 'ed25519';
  /** Seconds that the old secret stays in force; 0: it is revoked now. */
  secret_overlap?: number;
  enabled?: boolean;
}

export interface SecretRotation {
  /** Left out: the server makes one. */
  secret?: string | null;
  secret_type?: 'symmetric' | 'ed25519';
  /** Seconds that the old secret stays in force (a day where it is left out); 0: it is revoked now. */
  secret_overlap?: number;
}

export interface Endpoint {
  id: string;
  consumer: string;
  name: string;
  url: string;
  description: string;
  event_types: string[];
  headers: Record<string, string>;
  /** Shown where the dialect's contract says so. */
  secret?: string;
  public_key?: string;
  secrets: { created_at: string; expires_at: string | null; signs_from?: string | null; public_key?: string }[];
  inbound_path?: string;
  rate_limit: number | null;
  concurrency: number | null;
  timeout: number | null;
  retry_schedule: number[] | null;
  channels: string[];
  filter: string | null;
  auth: EndpointAuth | null;
  client_certificate?: { subject: string; issuer: string; serial: string; fingerprint: string; not_before: string; expires_at: string };
  emails: string[] | null;
  enabled: boolean;
  state: 'active' | 'paused' | 'disabled';
  state_reason: string;
  state_since: string;
  failure_count: number;
  failed_at: string | null;
  created_at: string;
  updated_at: string;
  in_flight?: number;
}

export interface EndpointPreview {
  /** An endpoint that is there; its wishes hold where none are given. */
  endpoint_id?: string;
  event_types?: string[];
  channels?: string[];
  filter?: string;
  /** Whose stored events. */
  consumer?: string;
  /** Samples to judge, or */
  events?: (Omit<NewEvent, 'consumer'> & { consumer?: string })[];
  /** one stored event, or the newest, */
  event_id?: string;
  /** of this type, */
  type?: string;
  /** 50 where it is left out. */
  limit?: number;
}

export interface EndpointPreviewed {
  judged: number;
  matched: number;
  more: boolean;
  results: {
    /** null: a sample. */
    event_id: string | null;
    type: string;
    channels: string[];
    timestamp: string;
    matched: boolean;
    /** Why not. */
    reason: 'event_type' | 'channel' | 'filter' | null;
    /** Why the filter could not be judged: the event matches then. */
    problem: string | null;
    detail?: string;
    delivery_id?: string;
  }[];
}

export interface Delivery {
  id: string;
  event_id: string;
  type: string;
  endpoint_id: string;
  consumer: string;
  state: 'pending' | 'delivered' | 'failed' | 'cancelled';
  reason?: string;
  attempts: number;
  last_status: number | null;
  /** Why the last attempt failed. */
  last_error: null | { class: string; detail: string };
  next_due_at: string | null;
  created_at: string;
  finished_at: string | null;
  in_flight?: number;
}

export interface NewReplay {
  /** recover: what failed is sent again; missed: an endpoint gets what it never got. */
  kind: 'recover' | 'missed';
  endpoint_id?: string;
  consumer?: string;
  /** Of recover; left out: failed and pending. */
  states?: Delivery['state'][];
  event_types?: string[];
  from?: string | Date;
  until?: string | Date;
}

export interface Replay {
  id: string;
  kind: 'recover' | 'missed';
  endpoint_id: string | null;
  consumer: string | null;
  states: Delivery['state'][];
  event_types: string[];
  from: string | null;
  until: string | null;
  state: 'running' | 'done' | 'cancelled' | 'failed';
  reason?: string;
  matched: number;
  more: boolean;
  done: number;
  skipped: number;
  failed: number;
  /** From 0 to 1. */
  progress: number | null;
  created_at: string;
  finished_at: string | null;
}

export interface Attempt {
  number: number;
  at: string;
  /** sent is false where nothing of it reached the receiver. */
  request: { sent: boolean; line: string; headers: { name: string; value: string }[]; body: string | null; body_encoding: string };
  response: null | { status: number; line: string; headers: { name: string; value: string }[]; body: string; body_encoding: string; truncated: boolean };
  error: null | { class: string; detail: string };
  timings: Record<string, number | boolean | null>;
  next_due_at: string | null;
}

export interface Page {
  limit?: number;
  cursor?: string;
}

export interface Deleted {
  deleted: true;
  in_flight: number;
}

/** Speaks to one server with one key. Lists are walked to their end, page by page, as they are asked for. */
export class Malote {
  constructor(options: Options);
  /** Short for events.send. */
  send(event: NewEvent, options?: SendOptions): Promise<Sent>;
  readonly events: {
    send(event: NewEvent, options?: SendOptions): Promise<Sent>;
    sendBatch(events: (NewEvent & { idempotency_key?: string })[], options?: SendOptions): Promise<Batch>;
    get(id: string): Promise<StoredEvent>;
    list(
      query?: Page & { id?: string; consumer?: string; type?: string; idempotency_key?: string; channel?: string; from?: string | Date; until?: string | Date },
    ): AsyncGenerator<StoredEvent>;
    /** Sends it again: to all that got it and all of its consumer that want it today, or to one endpoint. */
    replay(id: string, options?: { endpointId?: string }): Promise<{ event_id: string; again: string[]; new: string[] }>;
  };
  readonly endpoints: {
    create(endpoint: NewEndpoint): Promise<Endpoint>;
    get(id: string): Promise<Endpoint>;
    list(query?: Page & { consumer?: string; state?: string; event_type?: string; search?: string }): AsyncGenerator<Endpoint>;
    /** Changes what is given; null clears. */
    update(id: string, change: EndpointChange): Promise<Endpoint>;
    /** Gives it a new signing secret, which the answer shows. */
    rotateSecret(id: string, rotation?: SecretRotation, options?: SendOptions): Promise<Endpoint>;
    /** Which events an endpoint would get, and why not the others. Changes nothing. */
    preview(question: EndpointPreview): Promise<EndpointPreviewed>;
    delete(id: string): Promise<Deleted>;
    pause(id: string): Promise<Endpoint>;
    resume(id: string): Promise<Endpoint>;
    /** Sends the dialect's test event to this endpoint alone. */
    test(id: string): Promise<{ event_id: string; delivery_id: string; deliveries: number; in_flight: number }>;
    /** Sends again what failed since a time; gives the replay that does it. */
    recover(id: string, since: string | Date): Promise<Replay>;
    /** Sends what it wants and never got since a time; gives the replay that does it. */
    replayMissing(id: string, since: string | Date): Promise<Replay>;
  };
  readonly deliveries: {
    get(id: string): Promise<Delivery>;
    list(
      query?: Page & {
        event_id?: string;
        endpoint_id?: string;
        consumer?: string;
        type?: string;
        /** One, or several with a comma between. */
        state?: string;
        /** Of the last attempt: 503, 5xx, or none. */
        last_status?: string | number;
        from?: string | Date;
        until?: string | Date;
      },
    ): AsyncGenerator<Delivery>;
    /** Oldest first: the request as it was sent and the answer as it came. */
    attempts(id: string, query?: Page): AsyncGenerator<Attempt>;
    /** Makes it due now; one that is over is tried once more. */
    retry(id: string): Promise<Delivery>;
    cancel(id: string): Promise<Delivery>;
  };
  readonly replays: {
    /** Starts one in the background. */
    create(replay: NewReplay & { dry_run?: false }, options?: { idempotencyKey?: string }): Promise<Replay>;
    /** Counts, and does nothing. */
    create(replay: NewReplay & { dry_run: true }): Promise<{ dry_run: { matched: number; more: boolean } }>;
    get(id: string): Promise<Replay>;
    list(query?: Page & { endpoint_id?: string; consumer?: string; state?: Replay['state'] }): AsyncGenerator<Replay>;
    cancel(id: string): Promise<Replay>;
  };
  readonly consumers: {
    put(uid: string, consumer?: { name?: string }): Promise<{ id: string; uid: string; name: string; created_at: string }>;
    get(uid: string): Promise<{ id: string; uid: string; name: string; created_at: string }>;
    delete(uid: string): Promise<Deleted>;
  };
}
