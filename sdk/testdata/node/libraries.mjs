// Receivers as others write them, with the libraries that they verify with:
// the path names the library, SECRET is the endpoint's.
import http from 'node:http';
import { verify as octokit } from '@octokit/webhooks-methods';
import { Webhook as StandardWebhook } from 'standardwebhooks';
import Stripe from 'stripe';
import { Webhook as SvixWebhook } from 'svix';

const stripe = new Stripe('sk_test_none');
const secret = process.env.SECRET;

// Each returns what it read; to throw is to refuse.
const libraries = {
  standardwebhooks: (body, headers) => new StandardWebhook(secret).verify(body, headers),
  svix: (body, headers) => new SvixWebhook(secret).verify(body, headers),
  stripe: (body, headers) => stripe.webhooks.constructEvent(body, headers['stripe-signature'], secret),
  async octokit(body, headers) {
    if (!(await octokit(secret, body.toString('utf8'), headers['x-hub-signature-256']))) throw new Error('wrong signature');
    return { type: headers['x-github-event'], data: JSON.parse(body) };
  },
};

http
  .createServer((req, res) => {
    const chunks = [];
    req.on('data', (c) => chunks.push(c));
    req.on('end', async () => {
      try {
        const event = await libraries[req.url.slice(1)](Buffer.concat(chunks), req.headers);
        res.writeHead(200).end(event.type);
      } catch (e) {
        res.writeHead(401).end(e.message);
      }
    });
  })
  .listen(Number(process.env.PORT), '127.0.0.1');
