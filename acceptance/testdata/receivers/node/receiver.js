// An Express receiver as the contracts' consumers write it: raw bytes first,
// then HMAC, 401 on a mismatch, 200 at once.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const express = require('express');

const secretOf = (path) => JSON.parse(fs.readFileSync(process.env.SECRETS, 'utf8'))[path];
const hex = (raw, secret) => crypto.createHmac('sha256', secret).update(raw).digest('hex');

function constantTime(got, want) {
  const a = Buffer.from(got || '');
  const b = Buffer.from(want);
  return a.length === b.length && crypto.timingSafeEqual(a, b);
}

const strip = (value) => (value || '').replace(/^sha256=/, '');

// How each contract's consumers verify.
const verify = {
  gabinete360: (req, raw, secret) => constantTime(req.get('x-argos-signature'), hex(raw, secret)),
  connectvets: (req, raw, secret) => constantTime(strip(req.get('X-ConnectVets-Signature')), hex(raw, secret)),
  // Habilitar's and PlacaFlow's examples compare with ===.
  habilitar: (req, raw, secret) => req.headers['x-signature'] === hex(raw, secret),
  placaflow: (req, raw, secret) => req.headers['x-signature-256'] === hex(raw, secret),
  tarefa: (req, raw, secret) => constantTime(strip(req.get('X-Webhook-Signature')), hex(raw, secret)),
  standard(req, raw, secret) {
    const id = req.get('webhook-id');
    const stamp = req.get('webhook-timestamp');
    if (Math.abs(Date.now() / 1000 - Number(stamp)) > 300) return false;
    const signed = Buffer.concat([Buffer.from(`${id}.${stamp}.`), raw]);
    const items = (req.get('webhook-signature') || '').split(' ');
    if (secret.startsWith('whpk_')) {
      const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(secret.slice(5), 'base64')]);
      const key = crypto.createPublicKey({ key: der, format: 'der', type: 'spki' });
      return items.some((s) => s.startsWith('v1a,') && crypto.verify(null, signed, key, Buffer.from(s.slice(4), 'base64')));
    }
    const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64');
    const want = 'v1,' + crypto.createHmac('sha256', key).update(signed).digest('base64');
    return items.some((s) => constantTime(s, want));
  },
};

const app = express();
app.use(express.raw({ type: () => true, limit: '2mb' }));
app.post('/:contract/*rest', (req, res) => {
  const raw = Buffer.isBuffer(req.body) ? req.body : Buffer.alloc(0);
  const ok = verify[req.params.contract](req, raw, secretOf(req.path));
  let json = true;
  try {
    JSON.parse(raw.toString('utf8'));
  } catch {
    json = false;
  }
  const headers = [];
  for (let i = 0; i < req.rawHeaders.length; i += 2) headers.push([req.rawHeaders[i], req.rawHeaders[i + 1]]);
  console.log(JSON.stringify({ path: req.path, headers, body: raw.toString('base64'), verified: ok, json }));
  if (!ok) {
    res.status(401).json({ error: 'Invalid signature' });
    return;
  }
  res.status(200).json({ received: true, processedAt: new Date().toISOString() });
});

const server = app.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ listening: `127.0.0.1:${server.address().port}` }));
});
process.stdin.resume();
process.stdin.on('end', () => process.exit(0));
