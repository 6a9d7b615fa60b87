// Goes through all of the client against a real server. RECEIVER is a URL
// that answers 200.
const assert = require('node:assert');
const { Malote, MaloteError } = require('../../node');

const { MALOTE_URL: url, MALOTE_KEY: key, RECEIVER } = process.env;

async function all(list) {
  const out = [];
  for await (const item of list) out.push(item);
  return out;
}

async function main() {
  const malote = new Malote({ url, key });
  const e = await malote.endpoints.create({ consumer: 'tour-node', url: RECEIVER, event_types: ['tour.*'], headers: { 'X-Tour': '1' } });
  assert.ok(e.id && e.secret && e.state === 'active');
  assert.strictEqual((await malote.endpoints.get(e.id)).url, RECEIVER);
  assert.deepStrictEqual((await all(malote.endpoints.list({ consumer: 'tour-node', limit: 1 }))).map((x) => x.id), [e.id]);
  assert.strictEqual((await malote.endpoints.update(e.id, { description: 'ção', headers: { 'X-Tour': null } })).description, 'ção');
  const own = { channels: ['store-7'], filter: 'data.n > 1.0', retry_schedule: [60, 300], timeout: 5, concurrency: 2, auth: { type: 'bearer', token: 't0ken' } };
  const settled = await malote.endpoints.update(e.id, own);
  assert.deepStrictEqual(settled, { ...settled, ...own, auth: { type: 'bearer', token: '[redacted]' } });
  const question = { endpoint_id: e.id, events: [{ type: 'tour.a', data: { n: 2 }, channels: ['store-7'] }, { type: 'tour.a', data: { n: 2 } }] };
  assert.deepStrictEqual((await malote.endpoints.preview(question)).results.map((r) => r.reason), [null, 'channel']);
  const rotated = await malote.endpoints.rotateSecret(e.id, { secret_overlap: 60 }, { idempotencyKey: 'tour-node-r' });
  assert.strictEqual((await malote.endpoints.rotateSecret(e.id, { secret_overlap: 60 }, { idempotencyKey: 'tour-node-r' })).secret, rotated.secret);
  assert.deepStrictEqual((await all(malote.endpoints.list({ state: 'active', event_type: 'tour.a', search: RECEIVER }))).map((x) => x.id), [e.id]);
  assert.strictEqual((await malote.endpoints.pause(e.id)).state, 'paused');
  assert.strictEqual((await malote.endpoints.resume(e.id)).state, 'active');
  assert.strictEqual((await malote.endpoints.test(e.id)).deliveries, 1);

  const event = { type: 'tour.began', consumer: 'tour-node', data: { text: 'João & "日本"', n: 1.5 }, channels: ['store-7'] };
  const sent = await malote.send(event, { idempotencyKey: 'tour-node-1' });
  assert.strictEqual(sent.deliveries, 1);
  const again = await malote.send(event, { idempotencyKey: 'tour-node-1' });
  assert.deepStrictEqual([again.id, again.duplicate], [sent.id, true]);
  await assert.rejects(malote.send({ ...event, data: 2 }, { idempotencyKey: 'tour-node-1' }), { status: 409, type: 'idempotency-key-reused' });
  assert.deepStrictEqual((await malote.events.get(sent.id)).data, event.data);
  assert.ok((await all(malote.events.list({ consumer: 'tour-node', type: 'tour.began' }))).some((x) => x.id === sent.id));
  const batch = await malote.events.sendBatch([event, { ...event, type: 'not a type' }]);
  assert.deepStrictEqual([batch.accepted, batch.refused], [1, 1]);

  const [delivery] = await all(malote.deliveries.list({ event_id: sent.id }));
  for (let tries = 0; (await malote.deliveries.get(delivery.id)).state !== 'delivered'; tries++) {
    assert.ok(tries < 500, 'not delivered');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.strictEqual((await all(malote.deliveries.attempts(delivery.id)))[0].response.status, 200);
  await assert.rejects(malote.deliveries.cancel(delivery.id), (x) => x instanceof MaloteError && x.status === 409 && x.type === 'conflict' && x.fix !== '');
  assert.strictEqual((await malote.deliveries.retry(delivery.id)).state, 'pending');
  assert.deepStrictEqual(await malote.events.replay(sent.id, { endpointId: e.id }), { event_id: sent.id, again: [delivery.id], new: [] });
  const since = new Date(Date.now() - 3600_000);
  assert.deepStrictEqual(await malote.replays.create({ kind: 'missed', endpoint_id: e.id, from: since, dry_run: true }), { dry_run: { matched: 0, more: false } });
  const replays = [await malote.endpoints.recover(e.id, since), await malote.endpoints.replayMissing(e.id, since)];
  for (const r of replays) {
    for (let tries = 0; (await malote.replays.get(r.id)).state !== 'done'; tries++) {
      assert.ok(tries < 500, 'not done');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await assert.rejects(malote.replays.cancel(r.id), { status: 409, type: 'conflict' });
  }
  assert.deepStrictEqual((await all(malote.replays.list({ endpoint_id: e.id, limit: 1 }))).map((r) => r.id), replays.map((r) => r.id).reverse());
  assert.strictEqual((await malote.consumers.put('tour-node', { name: 'Tour' })).name, 'Tour');
  assert.strictEqual((await malote.consumers.get('tour-node')).name, 'Tour');
  assert.strictEqual((await malote.endpoints.delete(e.id)).deleted, true);
  await assert.rejects(malote.endpoints.get(e.id), { status: 404, type: 'not-found' });
  console.log('all done');
}

main();
