'use strict';
// Verifies deliveries of any dialect, as the Go package webhook does: same
// rules, same causes, same vectors.
const crypto = require('node:crypto');
const plan = require('./plan.js');
const { explain, explainPrefix, spelling, SIZES } = require('./explain.js');

// Bounds of what a stranger can make a verification do.
const MAX_CARRIER = 8 << 10;
const MAX_ITEMS = 16;
const MAX_DIAGNOSE = 64 << 10;

const fail = (cause, detail) => ({ ok: false, cause, detail });
const malformed = (detail) => fail('malformed', detail);

/** A failed check of the request being read; carries the verdict. */
class Refused extends Error {
  constructor(verdict) {
    super(verdict.detail);
    this.verdict = verdict;
  }
}

/** Thrown by unwrap where a delivery does not verify or cannot be read. */
class VerificationError extends Error {
  constructor(verdict) {
    super(`malote: ${verdict.cause}: ${verdict.detail}`);
    this.name = 'VerificationError';
    this.cause = verdict.cause;
    this.detail = verdict.detail;
  }
}

function rawBody(body) {
  if (typeof body === 'string') return Buffer.from(body, 'utf8');
  if (body instanceof Uint8Array) return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  throw new TypeError('malote: body must be the raw bytes (a Buffer), as they came in; with Express use express.raw({ type: () => true }) before any JSON parser');
}

/** One request being verified. */
class Check {
  constructor(d, pairs, body, now) {
    Object.assign(this, { dialect: d, sig: d.signature, pairs, body, now, carrier: '', items: [], stamp: '', parts: [] });
  }

  /** Reads a header that must stand exactly once. */
  one(name) {
    const vs = plan.values(this.pairs, name);
    if (vs.length === 0) throw new Refused(fail('missing_header', `the header ${name} is missing${this.looksLike()}`));
    if (vs.length > 1) throw new Refused(malformed(`the header ${name} stands ${vs.length} times`));
    if (vs[0] === '') throw new Refused(malformed(`the header ${name} is empty`));
    return vs[0];
  }

  looksLike() {
    const other = plan.DIALECTS.find((d) => d.name !== this.dialect.name && plan.values(this.pairs, d.signature.header).length > 0);
    return other ? `; the request carries ${other.signature.header}, as the dialect ${other.name} does` : '';
  }

  read() {
    const { header } = this.sig;
    const carrier = this.one(header);
    if (Buffer.byteLength(carrier) > MAX_CARRIER) throw new Refused(malformed(`the header ${header} is too long; at most ${MAX_CARRIER} bytes are read`));
    this.carrier = carrier;
    this.readItems();
    this.readTime();
    this.readParts();
  }

  readItems() {
    const { header, separator, schemes, timestamp } = this.sig;
    for (const text of separator ? this.carrier.split(separator).map((s) => s.trim()) : [this.carrier]) {
      if (timestamp && timestamp.item && text.startsWith(timestamp.item)) {
        if (this.stamp !== '') throw new Refused(malformed(`the header ${header} holds ${timestamp.item} twice`));
        this.stamp = text.slice(timestamp.item.length);
      }
      for (const scheme of schemes) {
        const prefix = scheme.prefix || '';
        if (text.startsWith(prefix)) this.items.push({ scheme, text: text.slice(prefix.length) });
      }
    }
    if (this.items.length === 0) {
      throw new Refused(malformed(`the header ${header} holds no signature that begins with ${schemes.map((s) => s.prefix).join(' or ')}`));
    }
    if (this.items.length > MAX_ITEMS) throw new Refused(malformed(`the header ${header} holds ${this.items.length} signatures; at most ${MAX_ITEMS} are read`));
  }

  readTime() {
    const t = this.sig.timestamp;
    if (!t) return;
    if (t.header) this.stamp = this.one(t.header);
    else if (this.stamp === '') throw new Refused(malformed(`the header ${this.sig.header} holds no ${t.item}`));
    this.time = plan.parseTime(t.format, this.stamp);
    if (Number.isNaN(this.time)) throw new Refused(malformed(`the timestamp is not in the format ${t.format}`));
  }

  /** The bytes that were signed, in order; undefined stands for the key. */
  readParts(body = this.body) {
    this.parts = plan.template(this.sig.message || '').map(({ literal, hole }) => {
      if (literal !== undefined) return Buffer.from(literal);
      if (hole === 'body') return body;
      if (hole === 'body_sha256') return Buffer.from(crypto.createHash('sha256').update(body).digest('hex'));
      if (hole === 'timestamp') return Buffer.from(this.stamp);
      if (hole === 'secret') return undefined;
      return Buffer.from(this.one(hole.slice('header:'.length)), 'latin1');
    });
  }

  /** Whether one of the signatures is what the key makes of the message. */
  matches(key) {
    const items = this.items.filter((it) => it.scheme === key.scheme);
    if (key.publicKey) {
      return items.some((it) => {
        const sig = plan.decode(it.scheme.encoding, it.text);
        return sig && sig.length === 64 && plan.ed25519Verifies(key.publicKey, this.parts, sig);
      });
    }
    // The texts are compared, so that only the one spelling that the dialect
    // writes passes; as digests, because timingSafeEqual wants equal lengths.
    const want = digest(plan.encode(key.scheme.encoding, plan.sum(key, this.parts)));
    let matched = false;
    for (const it of items) matched = crypto.timingSafeEqual(want, digest(it.text)) || matched;
    return matched;
  }

  judgeClock() {
    const off = this.clockOff();
    if (off) return fail('clock', 'the signature is right, but ' + off);
    return { ok: true, proof: this.items[0].scheme.algorithm === 'token' ? 'authenticated' : 'verified' };
  }

  /** By how much the timestamp is out of its tolerance. */
  clockOff() {
    const t = this.sig.timestamp;
    if (!t) return '';
    const age = (this.now - this.time) / 1000;
    const most = plan.seconds(t.tolerance);
    if (age > most) return `it was made ${Math.round(age)} s ago and at most ${most} s are allowed: the request was held back or replayed, or a clock is wrong`;
    if (age < -most) return `its time lies ${Math.round(-age)} s ahead and at most ${most} s are allowed: a clock is wrong`;
    return '';
  }

  /** What can be said without searching. */
  mismatch() {
    const wellFormed = this.items.some(({ scheme, text }) => {
      const raw = plan.decode(scheme.encoding, text);
      return scheme.algorithm === 'token' || (raw && raw.length === SIZES[scheme.algorithm]);
    });
    if (!wellFormed) return malformed(`the header ${this.sig.header} holds nothing that could be a signature: this dialect writes ${spelling(this.items[0].scheme)}`);
    const off = this.clockOff();
    return fail('wrong_secret_or_body', 'the signature matches none of the secrets: another secret signed it, or the body is not byte for byte what was signed' + (off && `; besides, ${off}`));
  }
}

const digest = (text) => crypto.createHash('sha256').update(text).digest();

/** Decodes those secrets that can be decoded. */
function keysOf(d, secrets) {
  let detail = 'no secret was given; nothing passes without one';
  const keys = [];
  for (const secret of secrets) {
    const { key, why } = plan.decodeKey(d, secret);
    if (key) keys.push(key);
    else detail = `no secret can be used in the dialect ${d.name}: a secret ${why}`;
  }
  return { keys, detail };
}

/** Judges a request's raw body. It throws only where it is called wrongly. */
function verify({ dialect = 'standard', headers, body, secret, secrets, now }) {
  const d = plan.dialect(dialect);
  const raw = rawBody(body);
  const all = [].concat(secrets ?? secret ?? []);
  const { keys, detail } = keysOf(d, all);
  if (keys.length === 0) return fail('no_secret', detail);
  const c = new Check(d, plan.headerPairs(headers), raw, now === undefined ? Date.now() : Number(now));
  const diagnose = raw.length <= MAX_DIAGNOSE;
  try {
    c.read();
  } catch (e) {
    if (!(e instanceof Refused)) throw e;
    return diagnose && c.carrier !== '' ? explainPrefix(c, keys, e.verdict, Refused) : e.verdict;
  }
  let matched = false;
  for (const key of keys) matched = c.matches(key) || matched;
  if (matched) return c.judgeClock();
  return diagnose ? explain(c, keys, all) : c.mismatch();
}

/** Verifies a delivery and reads its event; throws VerificationError otherwise. */
function unwrap(request) {
  const verdict = verify(request);
  if (!verdict.ok) throw new VerificationError(verdict);
  return readEvent(plan.dialect(request.dialect ?? 'standard'), plan.headerPairs(request.headers), rawBody(request.body));
}

function readEvent(d, pairs, raw) {
  const unreadable = (detail) => new VerificationError(malformed(`the signature is right, but ${detail}`));
  let json;
  try {
    json = JSON.parse(raw.toString('utf8'));
  } catch {
    throw unreadable('the body is not JSON');
  }
  const event = {};
  const fields = plan.holes(d.envelope.shape);
  const top = Object.keys(Object(d.envelope.shape)); // of the shape "{data}": none that matter
  for (const { path, name, format } of fields) {
    if (path[0] === '...') {
      event.data = Object.fromEntries(Object.entries(json).filter(([k]) => k !== 'id' && !top.includes(k)));
      continue;
    }
    let value = json;
    for (const key of path) value = Object(value) === value && Object.hasOwn(value, key) ? value[key] : undefined;
    if (value === undefined) throw unreadable(`/${path.join('/')} is missing in the body`);
    setField(event, name, format, value);
  }
  if (event.id === undefined && typeof json?.id === 'string' && typeof d.envelope.shape === 'object' && !top.includes('id')) event.id = json.id; // the id that some projects add
  for (const { name, value } of d.headers) {
    const [hole] = plan.holes(value);
    const vs = hole ? plan.values(pairs, name) : [];
    if (vs.length === 1 && event[hole.name] === undefined) setField(event, hole.name, hole.format, vs[0]);
  }
  return event;
}

function setField(event, name, format, value) {
  if (name === 'data') event.data = value;
  else if (name === 'time') event.time = new Date(plan.parseTime(format, String(value)));
  else if (name === 'attempt') event.attempt = Number(value);
  else if (['id', 'type', 'endpoint', 'consumer'].includes(name)) event[name] = String(value);
}

const dialects = () => plan.DIALECTS.map((d) => structuredClone(d));

module.exports = { verify, unwrap, dialects, VerificationError };
