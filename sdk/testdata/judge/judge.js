// Judges the requests of standard input: a line "cause proof" for each.
const { verify } = require('../../node');

for (const v of JSON.parse(require('node:fs').readFileSync(0, 'utf8'))) {
  const got = verify({ dialect: v.dialect, headers: v.headers, body: Buffer.from(v.body ?? '', 'base64'), secrets: v.secrets, now: v.now * 1000 });
  console.log(`${got.cause ?? ''} ${got.proof ?? ''}`);
}
