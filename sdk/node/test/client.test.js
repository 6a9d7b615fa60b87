'use strict';
const assert = require('node:assert');
const http = require('node:http');
const test = require('node:test');
const { Malote, MaloteError, verify, dialects } = require('../index.js');

/** A server that answers from a list and remembers what it was asked. */
async function server(t, answers) {
  const asked = [];
  const web = http.createServer((req, res) => {
    const chunks = [];
    req.on('data', (c) => chunks.push(c));
    req.on('end', () => {
      asked.push({ method: req.method, url: req.url, headers: req.headers, body: Buffer.concat(chunks).toString() });
      const [status, body, headers] = answers.shift() ?? [200, {}];
      if (status === 0) return res.destroy();
      res.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(JSON.stringify(body));
    });
  });
  await new Promise((resolve) => web.listen(0, '127.0.0.1', resolve));
  t.after(() => web.close());
  return { asked, malote: new Malote({ url: `http://127.0.0.1:${web.address().port}/`, key: 'mlt_dev_x' }) };
}

test('an event is repeated with the same key until there is an answer', async (t) => {
  const { asked, malote } = await server(t, [[0], [503, { detail: 'stopping' }, { 'Retry-After': '0' }], [202, { id: 'evt_1', deliveries: 1 }]]);
  assert.strictEqual((await malote.send({ type: 'a.b', consumer: 'acme', data: { n: 1 } })).id, 'evt_1');
  assert.strictEqual(asked.length, 3);
  assert.ok(asked[0].headers['idempotency-key'].length > 20);
  assert.strictEqual(new Set(asked.map((a) => a.headers['idempotency-key'] + a.body)).size, 1);
  assert.deepStrictEqual([asked[0].headers.authorization, asked[0].url], ['Bearer mlt_dev_x', '/v1/events']);
});

test('what is not safe is not repeated, and a problem is an error', async (t) => {
  const problem = { type: 'urn:malote:problem:conflict', title: 'T', detail: 'D', fix: 'F', request_id: 'req_1', errors: [{ pointer: '/url', detail: 'x' }] };
  const { asked, malote } = await server(t, [[503, {}], [409, problem], [429, {}, { 'Retry-After': '3600' }], [302, {}, { Location: 'http://127.0.0.1:1/' }]]);
  await assert.rejects(malote.endpoints.create({ url: 'https://example.com', event_types: ['*'] }), { status: 503 });
  await assert.rejects(malote.send({}), (e) => e instanceof MaloteError && e.status === 409 && e.type === 'conflict' && e.fix === 'F' && e.requestId === 'req_1' && e.errors.length === 1);
  await assert.rejects(malote.endpoints.get('ep_1'), { status: 429, retryAfter: 3600 });
  await assert.rejects(malote.endpoints.get('ep_1'), { status: 302 });
  assert.strictEqual(asked.length, 4);
});

test('lists are walked to their end', async (t) => {
  const { asked, malote } = await server(t, [[200, { data: [{ id: 'a' }, { id: 'b' }], next_cursor: 'x y' }], [200, { data: [], next_cursor: 'z' }], [200, { data: [{ id: 'c' }], next_cursor: null }]]);
  const ids = [];
  for await (const d of malote.deliveries.list({ state: 'failed', from: new Date(0), type: undefined })) ids.push(d.id);
  assert.deepStrictEqual(ids, ['a', 'b', 'c']);
  assert.deepStrictEqual(asked.map((a) => a.url), ['', '&cursor=x+y', '&cursor=z'].map((c) => `/v1/deliveries?state=failed&from=1970-01-01T00%3A00%3A00.000Z${c}`));
});

test('ids are escaped, and an abort is heard', async (t) => {
  const { asked, malote } = await server(t, [[200, {}], [0], [0], [0]]);
  await malote.consumers.get('a/b?c');
  assert.strictEqual(asked[0].url, '/v1/consumers/a%2Fb%3Fc');
  assert.throws(() => malote.endpoints.delete(''), TypeError);
  assert.throws(() => malote.endpoints.delete(undefined), TypeError);
  const stop = new AbortController();
  stop.abort();
  await assert.rejects(malote.send({}, { signal: stop.signal }));
  assert.strictEqual(asked.length, 1);
});

test('wrong options are refused, and the key is not shown', () => {
  for (const o of [undefined, { url: 'ftp://x', key: 'k' }, { url: 'http://a:b@x', key: 'k' }, { url: 'http://x' }, { url: 'http://x', key: 'a b' }]) assert.throws(() => new Malote(o), TypeError);
  assert.ok(!require('node:util').inspect(new Malote({ url: 'http://127.0.0.1:1', key: 'mlt_dev_secret' }), { depth: 9, showHidden: true }).includes('mlt_dev_secret'));
});

test('verify says how it wants to be called', () => {
  assert.throws(() => verify({ headers: {}, body: { parsed: true }, secret: 's' }), /raw bytes/);
  assert.throws(() => verify({ dialect: 'nobody', headers: {}, body: '' }), /no dialect nobody/);
  assert.throws(() => verify({ body: '', secret: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' }), /headers are missing/);
  assert.deepStrictEqual(verify({ headers: {}, body: '' }).cause, 'no_secret');
  assert.ok(dialects().some((d) => d.name === 'github'));
});

test('headers come in every form', () => {
  const name = 'X-Hub-Signature-256';
  const value = 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17';
  for (const headers of [{ [name]: value }, { 'x-hub-signature-256': [value] }, [[name, value]], ['Host', 'x', name, value], new Map([[name, value]]), new Headers({ [name]: value })]) {
    assert.deepStrictEqual(verify({ dialect: 'github', headers, body: 'Hello, World!', secret: "It's a Secret to Everybody" }), { ok: true, proof: 'verified' });
  }
});

test('the ES module has the same names', async () => {
  const names = (m) => Object.keys(m).filter((n) => n !== 'default' && n !== 'module.exports').sort();
  assert.deepStrictEqual(names(await import('../index.mjs')), names(require('../index.js')));
});
