// Every request of a client to the endpoints that clients POST to, as it came over the wire.

const ENDPOINTS = new Set(['/token', '/token/introspection', '/token/revocation', '/device/auth']);
export const requests = [];

// Keep the request, and give the members of an answer the order that the first provider gives them.
export async function keepRequest(ctx, next) {
  if (!ENDPOINTS.has(ctx.path) || ctx.method !== 'POST') return next();
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
export function hear(request) {
  const push = request.push.bind(request);
  request.heard = [];
  request.push = (chunk, encoding) => {
    if (chunk) request.heard.push(Buffer.from(chunk, encoding));
    return push(chunk, encoding);
  };
}
