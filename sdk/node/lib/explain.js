'use strict';
// Tries the usual mistakes, one at a time, and names the one that would have
// matched. It never turns a failure into a success.
const crypto = require('node:crypto');
const plan = require('./plan.js');

const MAX_EXPLAINED = 2; // secrets that an explanation is searched for
const SIZES = { 'hmac-sha1': 20, 'hmac-sha256': 32, 'hmac-sha512': 64, ed25519: 64, sha256: 32, token: 32 };
const NAMES = { hex: 'lower-case hex', base64: 'base64', base64url: 'base64url' };

const malformed = (detail) => ({ ok: false, cause: 'malformed', detail });
const spelling = (scheme) => `${SIZES[scheme.algorithm]} bytes in ${NAMES[scheme.encoding]}${scheme.prefix ? ' behind ' + scheme.prefix : ''}`;
const macs = (keys) => keys.filter((k) => k.bytes && k.scheme.algorithm !== 'token').slice(0, MAX_EXPLAINED);

function explain(c, keys, secrets) {
  const v = c.mismatch();
  if (c.body.length === 0) return { ...v, detail: 'the body is empty: was it read before it was verified? ' + v.detail };
  const found = spelledAs(c, macs(keys));
  if (found) return malformed(`the signature is right, but written ${found}; this dialect writes ${spelling(c.items[0].scheme)}`);
  if (v.cause === 'malformed') return v;
  for (const [change, body] of bodies(c.body)) {
    if (body.equals(c.body)) continue;
    c.readParts(body);
    const matched = macs(keys).some((k) => c.matches(k));
    c.readParts();
    if (matched) return { ok: false, cause: 'body_changed', detail: 'the secret is right, but the body was changed on the way: ' + change };
  }
  const how = otherReading(c, secrets);
  return how ? { ok: false, cause: 'wrong_secret', detail: how } : v;
}

/** Looks for a right signature where none was recognised. */
function explainPrefix(c, keys, v, Refused) {
  if (c.items.length > 0 || c.sig.separator) return v;
  const scheme = c.sig.schemes[0];
  c.items = [{ scheme, text: c.carrier }];
  try {
    c.readTime();
    c.readParts();
  } catch (e) {
    if (e instanceof Refused) return v;
    throw e;
  }
  const found = spelledAs(c, macs(keys));
  return found ? malformed(`the signature is right, but written ${found} and without what this dialect puts before it; it writes ${spelling(scheme)}`) : v;
}

/** Finds a right signature that is written in another way. */
function spelledAs(c, keys) {
  for (const key of keys) {
    const sum = plan.sum(key, c.parts);
    for (const it of c.items) {
      for (const [name, raw] of spellings(it.text)) {
        if (raw.length === sum.length && crypto.timingSafeEqual(raw, sum)) return name;
      }
    }
  }
  return '';
}

/** Decodes a signature in every way that it may have been written. */
function spellings(text) {
  const out = [];
  const m = /^[^=,:]{0,9}[=,:](?=.)/s.exec(text);
  const behind = m ? ' behind ' + m[0] : '';
  const rest = m ? text.slice(m[0].length) : text;
  if (/^([0-9a-fA-F]{2})+$/.test(rest)) out.push([(rest.toLowerCase() === rest ? 'in hex' : 'in hex with upper-case letters') + behind, Buffer.from(rest, 'hex')]);
  const plain = rest.replace(/=+$/, '');
  if (/^[A-Za-z0-9+/]+$/.test(plain)) out.push(['in base64' + behind, Buffer.from(plain, 'base64')]);
  if (/^[A-Za-z0-9_-]+$/.test(plain)) out.push(['in base64url' + behind, Buffer.from(plain, 'base64url')]);
  return out;
}

/** What may have been signed if a usual mistake changed the body since. */
function bodies(raw) {
  const s = raw.toString('latin1'); // bytes as characters, one each
  const bytes = (text) => Buffer.from(text, 'latin1');
  const out = [
    ['a line end was added behind it', bytes(s.replace(/[\r\n]+$/, ''))],
    ['the line end behind it was cut off', bytes(s + '\n')],
    ['a byte order mark was put before it', bytes(s.replace(/^\xef\xbb\xbf/, ''))],
    ['its line ends were turned into CRLF', bytes(s.replaceAll('\r\n', '\n'))],
    ['its line ends were turned into LF', bytes(s.replaceAll('\n', '\r\n'))],
  ];
  try {
    JSON.parse(raw.toString('utf8'));
  } catch {
    return out;
  }
  const strings = /"(?:[^"\\]|\\.)*"|[ \t\r\n]+/g;
  const compact = s.replace(strings, (token) => (token[0] === '"' ? token : ''));
  const parser = 'verify the raw bytes, before any JSON parser';
  out.push([`it was parsed and written again with other white space; ${parser}`, bytes(compact)]);
  const plain = compact.replace(strings, (token) => Buffer.from(JSON.stringify(JSON.parse(bytes(token).toString('utf8'))), 'utf8').toString('latin1'));
  return [...out, [`it was parsed and written again with other escapes; ${parser}`, bytes(plain)]];
}

/** Finds the way in which the sender read the secret. */
function otherReading(c, secrets) {
  for (const secret of secrets.slice(0, MAX_EXPLAINED)) {
    for (const [how, bytes] of readings(String(secret))) {
      for (const scheme of c.sig.schemes) {
        if (scheme.algorithm === 'ed25519' || scheme.algorithm === 'token') continue;
        if (c.matches({ scheme, bytes })) return `the signature matches with the secret ${how}; in this dialect the key is ${reading(scheme.key)}`;
      }
    }
  }
  return '';
}

function reading(rule) {
  if (rule.decoding !== 'verbatim') return `${rule.decoding} decoded behind ${rule.prefix || 'nothing'}`;
  return rule.prefix ? `the text behind ${rule.prefix}` : 'the whole text as it stands';
}

/** The keys that a secret may have been taken for. */
function readings(secret) {
  const out = [['taken as it stands', Buffer.from(secret)], ['and a line end behind it', Buffer.from(secret + '\n')]];
  const i = secret.indexOf('_') + 1;
  const rest = secret.slice(i);
  if (i > 0) out.push([`without its prefix ${secret.slice(0, i)}`, Buffer.from(rest)]);
  const base64 = plan.decode('base64', rest);
  if (base64 && base64.length > 0) out.push(['decoded from base64', base64]);
  if (/^([0-9a-fA-F]{2})+$/.test(rest)) out.push(['decoded from hex', Buffer.from(rest, 'hex')]);
  return out;
}

module.exports = { explain, explainPrefix, spelling, SIZES };
