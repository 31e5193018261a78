// Two grants that oidc-provider leaves to its users: token exchange (RFC 8693) and JWT bearer assertions (RFC 7523).
//
// A client's options name whom it may present assertions of (`issuers`: issuer -> JSON Web Key Set) and whom it may
// ask tokens for (`audiences`). No client may use a key, or reach a target, that it was not registered with.

import { createLocalJWKSet, decodeJwt, jwtVerify } from 'jose';
import { errors } from 'oidc-provider';

import { RESOURCE, resourceServer } from './provider.mjs';

const { InvalidGrant, InvalidRequest, InvalidScope, InvalidTarget } = errors;
export const EXCHANGE = 'urn:ietf:params:oauth:grant-type:token-exchange';
export const ASSERTION = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
const TYPE = 'urn:ietf:params:oauth:token-type:';

// Of a JWT that a registered issuer signed for this server: who it speaks of. RFC 7523 section 3, and RFC 7519's `jti`.
async function subjectOfAssertion(server, issuers, assertion, refuse) {
  let iss;
  try {
    ({ iss } = decodeJwt(assertion));
  } catch {
    throw refuse('the assertion is no JWT');
  }
  if (!Object.hasOwn(issuers, iss ?? '')) throw refuse(`nobody registered the issuer ${iss}`);
  let payload;
  try {
    ({ payload } = await jwtVerify(assertion, createLocalJWKSet(issuers[iss]), {
      issuer: iss,
      audience: [server.issuer, server.urlFor('token')],
      requiredClaims: ['exp'],
    }));
  } catch (error) {
    throw refuse(error.message);
  }
  if (typeof payload.sub !== 'string' || !payload.sub) throw refuse('it speaks of nobody');
  if (payload.jti && !(await server.ReplayDetection.unique(iss, payload.jti, payload.exp))) {
    throw refuse('this jti was seen before');
  }
  return payload.sub;
}

// Who an access token of this server's speaks of, whatever its form.
async function subjectOfToken(server, key, value) {
  const opaque = await server.AccessToken.find(value) ?? await server.ClientCredentials.find(value);
  if (opaque?.isValid) return opaque.accountId ?? opaque.clientId;
  try {
    const { payload } = await jwtVerify(value, key, { issuer: server.issuer, requiredClaims: ['exp'] });
    return payload.sub ?? payload.aud;
  } catch {
    throw new InvalidRequest('the subject token is not valid');
  }
}

function scopeOf({ client, params }) {
  const registered = client.scope.split(' ');
  const refused = (params.scope?.split(' ') ?? []).filter((one) => !registered.includes(one));
  if (refused.length) throw new InvalidScope('requested scope is not allowed', refused.join(' '));
  return params.scope ?? client.scope;
}

async function issue(ctx, { subject, actor, audience, options, type }) {
  const { client, provider } = ctx.oidc;
  const scope = scopeOf(ctx.oidc);
  const token = new provider.AccessToken({ client, accountId: subject, scope, gty: ctx.oidc.params.grant_type });
  token.resourceServer = new provider.ResourceServer(RESOURCE, resourceServer(options, audience ?? client.clientId));
  token.actor = actor;
  const value = await token.save();
  ctx.body = { access_token: value, expires_in: token.expiration, token_type: 'Bearer', scope, issued_token_type: type };
}

function target({ params }, { audiences }) {
  const wanted = [params.audience, params.resource].flat().filter(Boolean);
  if (wanted.length > 1) throw new InvalidTarget('one audience or resource at most');
  if (wanted.some((one) => !audiences.includes(one))) throw new InvalidTarget();
  return wanted[0];
}

// RFC 8693 section 2.1: what is missing or unacceptable is an invalid_request.
function checkExchange({ params }) {
  for (const name of ['subject_token', 'subject_token_type']) {
    if (!params[name]) throw new InvalidRequest(`missing required parameter '${name}'`);
  }
  if (!params.actor_token !== !params.actor_token_type) {
    throw new InvalidRequest('actor_token and actor_token_type come together');
  }
  if (![undefined, `${TYPE}access_token`].includes(params.requested_token_type)) {
    throw new InvalidRequest('only access tokens are issued');
  }
}

export function registerGrants(server, key, options) {
  const of = ({ client }) => options.get(client.clientId);
  const subjects = {
    [`${TYPE}access_token`]: (oidc, value) => subjectOfToken(server, key, value),
    [`${TYPE}jwt`]: (oidc, value) =>
      subjectOfAssertion(server, of(oidc).issuers, value, (why) => new InvalidRequest(why)),
  };
  const subject = (oidc, type, value) => {
    if (!Object.hasOwn(subjects, type)) throw new InvalidRequest('this type of token is not taken');
    return subjects[type](oidc, value);
  };

  const exchange = async (ctx) => {
    const { params } = ctx.oidc;
    checkExchange(ctx.oidc);
    const audience = target(ctx.oidc, of(ctx.oidc));
    const actor = params.actor_token && await subject(ctx.oidc, params.actor_token_type, params.actor_token);
    const whom = await subject(ctx.oidc, params.subject_token_type, params.subject_token);
    await issue(ctx, { subject: whom, actor, audience, options: of(ctx.oidc), type: `${TYPE}access_token` });
  };
  const exchanged = ['audience', 'resource', 'scope', 'requested_token_type'];
  const tokens = ['subject_token', 'subject_token_type', 'actor_token', 'actor_token_type'];
  server.registerGrantType(EXCHANGE, exchange, [...exchanged, ...tokens], ['audience', 'resource']);

  const assert = async (ctx) => {
    const { assertion } = ctx.oidc.params;
    if (!assertion) throw new InvalidRequest("missing required parameter 'assertion'");
    const itsOptions = of(ctx.oidc);
    const refuse = (why) => new InvalidGrant(why);
    const whom = await subjectOfAssertion(server, itsOptions.issuers, assertion, refuse);
    await issue(ctx, { subject: whom, options: itsOptions });
  };
  server.registerGrantType(ASSERTION, assert, ['assertion', 'scope']);
}

// RFC 7521 section 4.1 needs no client there: who signed the assertion is who asks, as with Google's service accounts.
export async function clientOfAssertion(ctx, next) {
  if (ctx.path === '/token' && ctx.method === 'POST' && !ctx.get('authorization')) {
    let text = '';
    for await (const chunk of ctx.req) text += chunk;
    const form = new URLSearchParams(text);
    const nobody = !form.has('client_id') && !form.has('client_assertion');
    if (nobody && form.get('grant_type') === ASSERTION) text += `&client_id=${issuerOf(form.get('assertion'))}`;
    ctx.req.body = text || {};
  }
  return next();
}

function issuerOf(assertion) {
  try {
    return encodeURIComponent(decodeJwt(assertion).iss ?? '');
  } catch {
    return '';
  }
}
