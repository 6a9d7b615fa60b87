import sdk from './index.js';

export const { Malote, MaloteError, verify, unwrap, dialects, VerificationError } = sdk;
