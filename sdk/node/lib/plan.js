'use strict';
// A dialect, as its JSON file says it, read into what verifying needs.
const crypto = require('node:crypto');

const DIALECTS = require('../dialects.json');

const UNITS = { ns: 1e-9, us: 1e-6, 'µs': 1e-6, ms: 1e-3, s: 1, m: 60, h: 3600 };

/** Seconds of a duration such as "1m30s". */
function seconds(text) {
  let sum = 0;
  for (const [, n, unit] of String(text).matchAll(/([\d.]+)(ns|us|µs|ms|s|m|h)/g)) sum += Number(n) * UNITS[unit];
  return sum;
}

/** Splits "text {hole} text" into literals and holes; "{{" is a brace. */
function template(text) {
  const parts = [];
  for (const [, brace, hole, literal] of text.matchAll(/(\{\{)|\{([^}]*)\}|([^{]+)/g)) {
    parts.push(hole === undefined ? { literal: brace ? '{' : literal } : { hole });
  }
  return parts;
}

/** The holes of an envelope that are whole values, with their paths. */
function holes(shape, path = []) {
  if (typeof shape === 'string') {
    const m = /^\{([a-z_]+)(?::([a-z0-9_]+))?\}$/.exec(shape);
    return m ? [{ path, name: m[1], format: m[2] }] : [];
  }
  if (shape === null || typeof shape !== 'object' || Array.isArray(shape)) return [];
  return Object.entries(shape).flatMap(([key, value]) => holes(value, [...path, key]));
}

/** The built-in dialect of a name, or the parsed file that was given. */
function dialect(of) {
  if (of && typeof of === 'object' && of.signature) return of;
  const [name, revision] = String(of).split('/');
  const found = DIALECTS.filter((d) => d.name === name && (revision === undefined || d.revision === Number(revision)));
  if (found.length === 0) {
    throw new TypeError(`malote: no dialect ${of}; there are ${DIALECTS.map((d) => d.name).join(', ')}, or give the JSON of your own file`);
  }
  return found[found.length - 1];
}

/** Takes headers in every form that they come in: fetch's Headers, a Map,
 * pairs, Node's flat rawHeaders, an object of texts or lists. */
function headerPairs(headers) {
  if (!headers || typeof headers !== 'object') throw new TypeError('malote: headers are missing');
  if (Array.isArray(headers)) {
    if (headers.every((h) => Array.isArray(h))) return headers;
    return Array.from({ length: headers.length >> 1 }, (_, i) => [headers[2 * i], headers[2 * i + 1]]);
  }
  const entries = typeof headers.entries === 'function' ? [...headers.entries()] : Object.entries(headers);
  return entries.flatMap(([name, v]) => (Array.isArray(v) ? v.map((one) => [name, one]) : v === undefined || v === null ? [] : [[name, v]]));
}

/** All values of a header, whatever the spelling of its name. */
function values(pairs, name) {
  const want = name.toLowerCase();
  return pairs.filter(([n]) => String(n).toLowerCase() === want).map(([, v]) => String(v));
}

const encode = (encoding, bytes) => bytes.toString(encoding === 'verbatim' ? 'utf8' : encoding);

/** Decodes what encode writes, and nothing else; undefined where it is not that. */
function decode(encoding, text) {
  if (encoding === 'verbatim') return Buffer.from(text, 'utf8');
  const bytes = Buffer.from(text, encoding);
  return encode(encoding, bytes) === text ? bytes : undefined;
}

// Unicode's white space; trim() would take U+FEFF for it, too.
const SPACE = '[\\t-\\r \\u0085\\u00a0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]';
const SPACE_AROUND = new RegExp(`^${SPACE}|${SPACE}$`);

const HASHES = { 'hmac-sha256': 'sha256', 'hmac-sha512': 'sha512', 'hmac-sha1': 'sha1' };
const PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** The raw signature of a message's parts; undefined stands for the key. */
function sum(key, parts) {
  const { algorithm } = key.scheme;
  if (algorithm === 'token') return key.bytes;
  const hash = algorithm === 'sha256' ? crypto.createHash('sha256') : crypto.createHmac(HASHES[algorithm], key.bytes);
  for (const p of parts) hash.update(p === undefined ? key.bytes : p);
  return hash.digest();
}

function ed25519Verifies(publicKey, parts, signature) {
  const key = crypto.createPublicKey({ key: Buffer.concat([SPKI, publicKey]), format: 'der', type: 'spki' });
  return crypto.verify(null, Buffer.concat(parts), key, signature);
}

/** Makes a key of a secret, or says why that cannot be. It never repeats the secret. */
function decodeKey(d, secret) {
  if (typeof secret !== 'string' || secret === '') return { why: 'is empty' };
  if (/[\u0000-\u001f\u007f-\u009f]/.test(secret)) return { why: 'has control characters' };
  if (SPACE_AROUND.test(secret)) return { why: 'begins or ends with white space' };
  const prefixes = [];
  for (const scheme of d.signature.schemes) {
    const rule = scheme.key;
    if (rule.public_prefix && secret.startsWith(rule.public_prefix)) {
      const bytes = decode(rule.decoding, secret.slice(rule.public_prefix.length));
      return bytes && bytes.length === 32 ? { key: { scheme, publicKey: bytes } } : { why: 'is not a public key of 32 bytes' };
    }
    const prefix = rule.prefix || '';
    if (secret.startsWith(prefix)) return schemeKey(scheme, secret.slice(prefix.length));
    prefixes.push(prefix);
  }
  return { why: 'does not begin with ' + prefixes.join(' or ') };
}

function schemeKey(scheme, text) {
  const rule = scheme.key;
  // Libraries are lax about the last bits of base64; a secret that they take is taken here.
  const lax = rule.decoding === 'base64' && /^[A-Za-z0-9+/]*={0,2}$/.test(text) && text.length % 4 === 0;
  const bytes = lax ? Buffer.from(text, 'base64') : decode(rule.decoding, text);
  if (!bytes) return { why: `is not ${rule.decoding} behind its prefix` };
  if (scheme.algorithm === 'ed25519') return privateKey(scheme, bytes);
  const least = rule.min_bytes || 1;
  if (bytes.length < least || (rule.max_bytes && bytes.length > rule.max_bytes)) {
    return { why: `decodes to ${bytes.length} bytes; ${least} to ${rule.max_bytes || 'any number of'} make a key` };
  }
  return { key: { scheme, bytes } };
}

/** A seed, or a seed with its public key behind it, verifies with the public one. */
function privateKey(scheme, bytes) {
  if (bytes.length !== 32 && bytes.length !== 64) return { why: `decodes to ${bytes.length} bytes; an Ed25519 key has 32 or 64` };
  const key = crypto.createPrivateKey({ key: Buffer.concat([PKCS8, bytes.subarray(0, 32)]), format: 'der', type: 'pkcs8' });
  const publicKey = crypto.createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(SPKI.length);
  if (bytes.length === 64 && !publicKey.equals(bytes.subarray(32))) return { why: 'has a public half that does not belong to its seed' };
  return { key: { scheme, publicKey } };
}

const TIMES = {
  unix: (s) => (/^\d{1,15}$/.test(s) ? Number(s) * 1000 : NaN),
  unix_millis: (s) => (/^\d{1,15}$/.test(s) ? Number(s) : NaN),
  rfc3339: (s) => (/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(s) ? Date.parse(s) : NaN),
};
TIMES.rfc3339_millis = TIMES.rfc3339;

/** Milliseconds since 1970, or NaN. */
const parseTime = (format, text) => TIMES[format](text);

module.exports = {
  DIALECTS, dialect, template, holes, seconds, headerPairs, values, encode, decode, sum, ed25519Verifies, decodeKey, parseTime,
};
