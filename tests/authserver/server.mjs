// The certified authorization server, set up to answer client_credentials as the first provider does.
//
//   node server.mjs PORT
//
// Control: one JSON object a line on stdin, one line back on stdout. It ends when stdin closes, so it outlives nobody.
//   {"client": {…}, "lifetime": 600}   register or replace a client (OpenID client metadata); its tokens' seconds
//   {"requests": "client id" | null}   the token requests of one client, or of all, as they were received

import { Console } from 'node:console';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

// stdout is the control channel alone; what oidc-provider has to say goes to stderr.
globalThis.console = new Console(process.stderr, process.stderr);
const { Provider } = await import('oidc-provider');

const HOST = '127.0.0.1';
const RESOURCE = 'urn:first-provider:api';
const SCOPES = ['openid', 'admin', 'user'];

const clients = new Map();
const lifetimes = new Map();
const requests = [];

// Clients come and go while the server runs; JWT access tokens are not stored at all.
const adapter = (model) => ({
  find: async (id) => (model === 'Client' ? clients.get(id) : undefined),
  upsert: async () => {},
  destroy: async () => {},
});

// The claims and the header of the example in the first provider's documentation; today's default is RFC 9068.
function asTheFirstProvider(ctx, token, jwt) {
  const { jti, iat, exp, scope, iss, aud } = jwt.payload;
  jwt.header = { typ: 'JWT' };
  jwt.payload = { jti, iat, exp, scope, iss, aud };
}

function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };
}

function provider(issuer) {
  return new Provider(issuer, {
    adapter,
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'client_secret_jwt', 'private_key_jwt'],
    clientDefaults: { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] },
    cookies: { keys: [randomUUID()] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        getResourceServerInfo: (ctx, resource, client) => ({
          scope: SCOPES.join(' '),
          audience: client.clientId,
          accessTokenFormat: 'jwt',
          jwt: { sign: { alg: 'RS256' } },
        }),
      },
    },
    formats: { customizers: { jwt: asTheFirstProvider } },
    jwks: { keys: [signingKey()] },
    scopes: SCOPES,
    ttl: { ClientCredentials: (ctx, token, client) => lifetimes.get(client.clientId) },
  });
}

// Keep every token request as it came, and give the members of an answer the order that the first provider gives them.
async function keepRequest(ctx, next) {
  if (ctx.path !== '/token') return next();
  const received = { method: ctx.method, target: ctx.req.url, headers: ctx.req.rawHeaders, client_id: null };
  requests.push(received);
  await next();
  received.body = Buffer.concat(ctx.req.heard).toString('latin1');
  received.status = ctx.status;
  received.client_id = ctx.oidc?.entities?.Client?.clientId ?? null;
  if (ctx.body?.access_token) {
    const { access_token, expires_in, token_type, scope, ...rest } = ctx.body;
    ctx.body = { access_token, expires_in, token_type, scope, ...rest };
  }
}

// oidc-provider reads the body itself and keeps only what it parsed; listen to what is pushed into the stream.
function hear(request) {
  const push = request.push.bind(request);
  request.heard = [];
  request.push = (chunk, encoding) => {
    if (chunk) request.heard.push(Buffer.from(chunk, encoding));
    return push(chunk, encoding);
  };
}

function obey(command) {
  if (command.client) {
    clients.set(command.client.client_id, command.client);
    lifetimes.set(command.client.client_id, command.lifetime);
    return { registered: command.client.client_id };
  }
  const wanted = command.requests;
  return { requests: requests.filter((one) => one.status && (wanted === null || one.client_id === wanted)) };
}

const port = Number(process.argv[2]);
const server = provider(`http://${HOST}:${port}`);
server.use(keepRequest);
const handle = server.callback();
const http = createServer((request, response) => {
  hear(request);
  handle(request, response);
});
const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
http.listen(port, HOST, () => say({ port: http.address().port }));
createInterface({ input: process.stdin })
  .on('line', (line) => say(obey(JSON.parse(line))))
  .on('close', () => process.exit(0));
