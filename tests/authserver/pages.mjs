// The pages that people see: sign in, consent, and the device's code. Plain forms, and nothing from elsewhere.
//
// Who signs in is whoever they say; what is under test is the client, not this server's passwords.

const DENIED = { error: 'access_denied', error_description: 'the person said no' };
const ESCAPES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (text) => String(text).replace(/[&<>"']/g, (character) => ESCAPES[character]);

function page(title, body) {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${title}</title><h1>${title}</h1>${body}</html>`;
}

const signIn = (client) => page('Sign in', `<p>to go on to ${escaped(client)}</p>
<form method="post"><label>Name <input name="login" required autofocus></label>
<button name="answer" value="yes">Sign in</button></form>`);

const consent = (client, scope) => page('Consent', `<p>${escaped(client)} asks for <code>${escaped(scope)}</code></p>
<form method="post"><button name="answer" value="yes">Allow</button>
<button name="answer" value="no" formnovalidate>Deny</button></form>`);

async function form(request) {
  let body = '';
  for await (const chunk of request) body += chunk;
  return new URLSearchParams(body);
}

// Everything that was asked for and not granted yet, as oidc-provider's documentation of interactions has it.
async function granted(provider, { grantId, prompt: { details }, session, params }) {
  const grant = grantId
    ? await provider.Grant.find(grantId)
    : new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
  if (details.missingOIDCScope) grant.addOIDCScope(details.missingOIDCScope.join(' '));
  for (const [resource, scope] of Object.entries(details.missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scope.join(' '));
  }
  return grant.save();
}

async function result(provider, interaction, answers) {
  if (answers.get('answer') !== 'yes') return DENIED;
  if (interaction.prompt.name === 'login') return { login: { accountId: answers.get('login') } };
  return { consent: { grantId: await granted(provider, interaction) } };
}

// Where oidc-provider sends a browser when somebody has to answer: `/interaction/…`.
export async function interactions(ctx, next) {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const provider = ctx.app;
  const interaction = await provider.interactionDetails(ctx.req, ctx.res);
  const { prompt, params } = interaction;
  if (ctx.method === 'POST') {
    const answer = await result(provider, interaction, await form(ctx.req));
    ctx.status = 303;
    ctx.redirect(await provider.interactionResult(ctx.req, ctx.res, answer));
    return undefined;
  }
  ctx.type = 'html';
  ctx.body = prompt.name === 'login' ? signIn(params.client_id) : consent(params.client_id, params.scope);
  return undefined;
}

// What RFC 8628 shows on the other device; the forms come from oidc-provider, their buttons from here.
export const devicePages = {
  userCodeInputSource: (ctx, itsForm, out, error) => {
    const said = error ? `<p role="alert">${escaped(error.userCode ? 'no such code' : error.message)}</p>` : '';
    ctx.body = page('Enter the code', `${said}${itsForm}<button form="op.deviceInputForm">Continue</button>`);
  },
  userCodeConfirmSource: (ctx, itsForm, client, device, userCode) => {
    ctx.body = page('Confirm the device', `<p>${escaped(client.clientId)}: <code>${escaped(userCode)}</code></p>
${itsForm}<button form="op.deviceConfirmForm">Continue</button>
<button form="op.deviceConfirmForm" name="abort" value="yes">Abort</button>`);
  },
  successSource: (ctx) => {
    ctx.body = page('Done', '<p>The device goes on by itself.</p>');
  },
};
