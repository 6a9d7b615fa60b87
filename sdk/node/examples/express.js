// A receiver with Express: npm install express @malote-dev/sdk, then
// PORT=3000 DIALECT=standard WEBHOOK_SECRET=whsec_… node express.js
const express = require('express');
const { unwrap, VerificationError } = require('@malote-dev/sdk');

const app = express();
const { PORT, DIALECT: dialect, WEBHOOK_SECRET: secret } = process.env;
app.post('/webhooks', express.raw({ type: () => true, limit: '1mb' }), (req, res) => {
  const event = unwrap({ dialect, headers: req.rawHeaders, body: req.body ?? '', secret });
  console.log('event', event.id, event.type, event.data); // take each id once, and do the work later
  res.sendStatus(204);
});
app.use((err, req, res, next) => {
  console.warn(err.message); // why, for you; the sender sees 401 only
  res.sendStatus(err instanceof VerificationError ? 401 : 500);
});
app.listen(PORT, '127.0.0.1');
