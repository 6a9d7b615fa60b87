'use strict';
const assert = require('node:assert');
const fs = require('node:fs');
const path = require('node:path');
const test = require('node:test');
const { verify, unwrap, VerificationError } = require('../index.js');

// BigInt-free: both sides are read by the same parser.
const vectors = JSON.parse(fs.readFileSync(path.join(__dirname, '../../testdata/vectors.json'), 'utf8'));

for (const v of vectors) {
  test(v.name, () => {
    const request = { dialect: v.dialect, headers: v.headers, body: Buffer.from(v.body, 'base64'), secrets: v.secrets, now: v.now * 1000 };
    const got = verify(request);
    assert.deepStrictEqual([got.ok, got.proof, got.cause], [v.ok, v.proof, v.cause], got.detail);
    for (const s of v.secrets.filter((x) => x.length > 8)) assert.ok(!JSON.stringify(got).includes(s), 'the verdict repeats the secret');
    if (!v.ok) {
      assert.ok(got.detail.length > 10);
      assert.throws(() => unwrap(request), (e) => e instanceof VerificationError && e.cause === v.cause);
    } else if (v.event) {
      const e = unwrap(request);
      if (e.time) e.time = e.time.getTime();
      assert.deepStrictEqual(e, v.event);
    }
  });
}

test('there are enough of them', () => assert.ok(vectors.length > 250));
