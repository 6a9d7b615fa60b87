'use strict';
// Speaks the REST API of a Malote server. docs/api.md says what each call does.
const { randomUUID } = require('node:crypto');
const { setTimeout: sleep } = require('node:timers/promises');

const FIRST_WAIT = 100; // ms
const LONGEST_ASK = 10_000; // ms of a Retry-After that is followed
const AGAIN = new Set([429, 502, 503, 504]);

/** What a server answers when it refuses; status 0: there was no answer. */
class MaloteError extends Error {
  constructor(message, { status = 0, problem = {}, retryAfter, cause } = {}) {
    super(message, { cause });
    this.name = 'MaloteError';
    this.status = status;
    this.type = String(problem.type ?? '').split(':').pop();
    this.title = problem.title ?? '';
    this.detail = problem.detail ?? '';
    this.errors = problem.errors ?? [];
    this.fix = problem.fix ?? '';
    this.requestId = problem.request_id ?? '';
    this.retryAfter = retryAfter; // seconds
  }
}

class Malote {
  #base;
  #key;
  #retries;
  #timeout;
  #fetch;

  constructor({ url, key, retries = 3, timeout = 60_000, fetch = globalThis.fetch } = {}) {
    let base;
    try {
      base = new URL(url);
    } catch {
      base = {};
    }
    if (!['http:', 'https:'].includes(base.protocol) || base.username || base.search || base.hash) {
      throw new TypeError(`malote: ${JSON.stringify(url)} is not the URL of a server; write for example http://127.0.0.1:8400`);
    }
    if (typeof key !== 'string' || !/^[!-~]+$/.test(key)) throw new TypeError('malote: the key is missing, or holds characters that no key has; copy it again');
    this.#base = base.href.replace(/\/$/, '');
    this.#key = key;
    this.#retries = retries;
    this.#timeout = timeout;
    this.#fetch = fetch;
    const call = (...args) => this.#call(...args);
    const list = (path, query) => pages(call, path, query);
    this.events = new Events(call, list);
    this.endpoints = new Endpoints(call, list);
    this.deliveries = new Deliveries(call, list);
    this.replays = new Replays(call, list);
    this.consumers = new Consumers(call);
  }

  /** Short for events.send. */
  send(event, options) {
    return this.events.send(event, options);
  }

  async #call(method, path, { body, query, idempotencyKey, signal } = {}) {
    const again = method === 'GET' || idempotencyKey !== undefined;
    const text = body === undefined ? undefined : JSON.stringify(body);
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.#once(method, path, text, query, idempotencyKey, signal);
      } catch (e) {
        const temporary = e instanceof MaloteError && (e.status === 0 || AGAIN.has(e.status)) && !signal?.aborted;
        const wait = waitBefore(attempt, e.retryAfter);
        if (!again || !temporary || attempt >= this.#retries || wait === undefined) throw e;
        await sleep(wait, undefined, { signal });
      }
    }
  }

  async #once(method, path, text, query, idempotencyKey, signal) {
    const headers = { Authorization: `Bearer ${this.#key}`, Accept: 'application/json', 'User-Agent': 'malote-node' };
    if (text !== undefined) headers['Content-Type'] = 'application/json';
    if (idempotencyKey !== undefined) headers['Idempotency-Key'] = idempotencyKey;
    const limit = AbortSignal.timeout(this.#timeout);
    const stop = new AbortController();
    const abort = () => stop.abort(signal?.aborted ? signal.reason : limit.reason);
    for (const s of [signal, limit]) s?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    let response;
    let answer;
    try {
      // An API does not move; a redirect must not take the key elsewhere.
      response = await this.#fetch(this.#base + path + search(query), { method, headers, body: text, redirect: 'manual', signal: stop.signal });
      answer = await response.text();
    } catch (cause) {
      throw new MaloteError(`malote: ${method} ${path}: no answer: ${cause.cause?.message ?? cause.message}`, { cause });
    } finally {
      for (const s of [signal, limit]) s?.removeEventListener('abort', abort);
    }
    let json;
    try {
      json = JSON.parse(answer);
    } catch {
      json = undefined;
    }
    if (response.ok && json !== undefined) return json;
    const problem = Object(json);
    const why = problem.detail || problem.title || 'the answer is not what this library knows';
    const retryAfter = Number(response.headers.get('retry-after') ?? NaN);
    throw new MaloteError(`malote: ${method} ${path}: ${response.status}: ${why}`, {
      status: response.status, problem, retryAfter: Number.isNaN(retryAfter) ? undefined : retryAfter,
    });
  }
}

/** Milliseconds before the next try: longer each time, or as the server asks; undefined: it asks for too much. */
function waitBefore(attempt, retryAfter) {
  const wait = FIRST_WAIT * 2 ** attempt * (0.5 + Math.random());
  if (retryAfter === undefined || retryAfter * 1000 <= wait) return wait;
  return retryAfter * 1000 > LONGEST_ASK ? undefined : retryAfter * 1000;
}

function search(query) {
  const given = Object.entries(query ?? {}).filter(([, v]) => v !== undefined && v !== null && v !== '');
  return given.length === 0 ? '' : '?' + new URLSearchParams(given.map(([k, v]) => [k, v instanceof Date ? v.toISOString() : String(v)]));
}

/** Walks a list to its end, page by page, as it is asked for. */
async function* pages(call, path, query = {}) {
  for (let cursor = query.cursor; ; ) {
    const page = await call('GET', path, { query: { ...query, cursor } });
    yield* page.data;
    cursor = page.next_cursor;
    if (!cursor) return;
  }
}

/** One segment of a path. What is no text would ask for something else. */
function segment(id) {
  if (typeof id !== 'string' || id === '') throw new TypeError('malote: the id is missing');
  return encodeURIComponent(id);
}

class Part {
  constructor(call, list) {
    this.call = call;
    this.pages = list;
    for (const name of ['call', 'pages']) Object.defineProperty(this, name, { enumerable: false });
  }
}

class Events extends Part {
  /** Sends an event. Without a key of yours one is made up, so that a repeat after a broken line keeps nothing twice. */
  send(event, { idempotencyKey = randomUUID(), signal } = {}) {
    return this.call('POST', '/v1/events', { body: event, idempotencyKey, signal });
  }

  /** Sends up to 1,000 events in one request; each has a result of its own. */
  sendBatch(events, { idempotencyKey = randomUUID(), signal } = {}) {
    return this.call('POST', '/v1/events/batch', { body: { events }, idempotencyKey, signal });
  }

  get(id) {
    return this.call('GET', `/v1/events/${segment(id)}`);
  }

  list(query) {
    return this.pages('/v1/events', query);
  }

  /** Sends it again: to all that got it and all of its consumer that want it today, or to one endpoint. */
  replay(id, { endpointId } = {}) {
    return this.call('POST', `/v1/events/${segment(id)}/replay`, { body: { endpoint_id: endpointId } });
  }
}

class Endpoints extends Part {
  create(endpoint) {
    return this.call('POST', '/v1/endpoints', { body: endpoint });
  }

  get(id) {
    return this.call('GET', `/v1/endpoints/${segment(id)}`);
  }

  list(query) {
    return this.pages('/v1/endpoints', query);
  }

  /** Changes what is given; null clears. */
  update(id, change) {
    return this.call('PATCH', `/v1/endpoints/${segment(id)}`, { body: change });
  }

  /** Gives it a new signing secret. Without a key of yours one is made up, so that a repeat after a broken line makes no second one. */
  rotateSecret(id, rotation = {}, { idempotencyKey = randomUUID(), signal } = {}) {
    return this.call('POST', `/v1/endpoints/${segment(id)}/secret/rotate`, { body: rotation, idempotencyKey, signal });
  }

  /** Which events an endpoint would get: samples, one that is stored, or the newest. Changes nothing. */
  preview(question) {
    return this.call('POST', '/v1/endpoints/preview', { body: question });
  }

  delete(id) {
    return this.call('DELETE', `/v1/endpoints/${segment(id)}`);
  }

  pause(id) {
    return this.call('POST', `/v1/endpoints/${segment(id)}/pause`);
  }

  resume(id) {
    return this.call('POST', `/v1/endpoints/${segment(id)}/resume`);
  }

  /** Sends the dialect's test event to this endpoint alone. */
  test(id) {
    return this.call('POST', `/v1/endpoints/${segment(id)}/test`);
  }

  /** Sends again what failed since a time; gives the replay that does it. */
  recover(id, since) {
    return this.call('POST', `/v1/endpoints/${segment(id)}/recover`, { body: { since }, idempotencyKey: randomUUID() });
  }

  /** Sends what it wants and never got since a time; gives the replay that does it. */
  replayMissing(id, since) {
    return this.call('POST', `/v1/endpoints/${segment(id)}/replay-missing`, { body: { since }, idempotencyKey: randomUUID() });
  }
}

class Deliveries extends Part {
  get(id) {
    return this.call('GET', `/v1/deliveries/${segment(id)}`);
  }

  list(query) {
    return this.pages('/v1/deliveries', query);
  }

  attempts(id, query) {
    return this.pages(`/v1/deliveries/${segment(id)}/attempts`, query);
  }

  /** Makes it due now; one that is over is tried once more. */
  retry(id) {
    return this.call('POST', `/v1/deliveries/${segment(id)}/retry`);
  }

  cancel(id) {
    return this.call('POST', `/v1/deliveries/${segment(id)}/cancel`);
  }
}

class Replays extends Part {
  /** Starts one in the background; with dry_run it counts, and does nothing. */
  create(replay, { idempotencyKey = randomUUID() } = {}) {
    return this.call('POST', '/v1/replays', { body: replay, idempotencyKey });
  }

  get(id) {
    return this.call('GET', `/v1/replays/${segment(id)}`);
  }

  list(query) {
    return this.pages('/v1/replays', query);
  }

  cancel(id) {
    return this.call('POST', `/v1/replays/${segment(id)}/cancel`);
  }
}

class Consumers extends Part {
  put(uid, { name } = {}) {
    return this.call('PUT', `/v1/consumers/${segment(uid)}`, { body: { name } });
  }

  get(uid) {
    return this.call('GET', `/v1/consumers/${segment(uid)}`);
  }

  delete(uid) {
    return this.call('DELETE', `/v1/consumers/${segment(uid)}`);
  }
}

module.exports = { Malote, MaloteError };
