'use strict';
const { Malote, MaloteError } = require('./lib/client.js');
const { verify, unwrap, dialects, VerificationError } = require('./lib/verify.js');

module.exports = { Malote, MaloteError, verify, unwrap, dialects, VerificationError };
