// The certified authorization server's settings: client_credentials as the first provider answers it, all else as
// oidc-provider comes, and per client what a test registered with it.

import { generateKeyPairSync, randomUUID } from 'node:crypto';

import { Provider } from 'oidc-provider';

import { certificates } from './mtls.mjs';
import { devicePages } from './pages.mjs';

export const RESOURCE = 'urn:first-provider:api';
const SCOPES = ['openid', 'admin', 'user', 'offline_access'];
const METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'none',
  'tls_client_auth',
  'self_signed_tls_client_auth',
];

// The claims and the header of the example in the first provider's documentation; today's default is RFC 9068.
// A token of a person, or bound to a key, says so beside them.
function asTheFirstProvider(ctx, token, jwt) {
  const { jti, iat, exp, scope, iss, aud, cnf } = jwt.payload;
  jwt.header = { typ: 'JWT' };
  jwt.payload = { jti, iat, exp, scope, iss, aud, sub: token.accountId, cnf, act: jwt.payload.act };
}

export function signingKey() {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' };
}

// What the tokens of a client are for, and in which form; `audience` names another one than the client itself.
export function resourceServer(options, audience) {
  return {
    scope: SCOPES.join(' '),
    audience,
    accessTokenFormat: options.opaque ? 'opaque' : 'jwt',
    jwt: { sign: { alg: 'RS256' } },
  };
}

// `options` are by client id what tests/support/oidc.py calls Options says, and the lifetime of access tokens.
export function authorizationServer(host, port, adapter, options, key) {
  const of = (client) => options.get(client.clientId);
  const seconds = (name) => (ctx, token, client) => of(client)[name];
  return new Provider(`http://${host}:${port}`, {
    adapter,
    clientAuthMethods: METHODS,
    clientDefaults: { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] },
    cookies: { keys: [randomUUID()] },
    // RFC 8705 section 5.
    discovery: { mtls_endpoint_aliases: { token_endpoint: `https://${host}:${port + 1}/token` } },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      deviceFlow: { enabled: true, ...devicePages },
      introspection: { enabled: true },
      mTLS: {
        enabled: true,
        certificateBoundAccessTokens: true,
        selfSignedTlsClientAuth: true,
        tlsClientAuth: true,
        ...certificates,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => RESOURCE,
        getResourceServerInfo: (ctx, resource, client) => resourceServer(of(client), client.clientId),
        useGrantedResource: () => true,
      },
      revocation: { enabled: true },
    },
    extraTokenClaims: (ctx, token) => (token.actor ? { act: { sub: token.actor } } : undefined), // RFC 8693 section 4.1
    findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
    formats: { customizers: { jwt: asTheFirstProvider } },
    // OpenID Connect Core section 11 has a client ask for it; there are servers that give one unasked.
    issueRefreshToken: (ctx, client, source) =>
      client.grantTypeAllowed('refresh_token') && (of(client).unasked || source.scopes.has('offline_access')),
    jwks: { keys: [key] },
    pkce: { required: () => true },
    responseTypes: ['code'],
    rotateRefreshToken: (ctx) => of(ctx.oidc.client).rotation,
    scopes: SCOPES,
    ttl: {
      AccessToken: seconds('lifetime'),
      AuthorizationCode: seconds('code_lifetime'),
      ClientCredentials: seconds('lifetime'),
      DeviceCode: seconds('device_lifetime'),
      RefreshToken: seconds('refresh_lifetime'),
    },
  });
}
