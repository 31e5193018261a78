// The certified authorization server, set up to answer client_credentials as the first provider does.
//
//   node server.mjs PORT
//
// Control: one JSON object a line on stdin, one line back on stdout. It ends when stdin closes, so it outlives nobody.
//   {"client": {…}, "options": {…}}       register or replace a client: OpenID client metadata; see provider.mjs
//   {"requests": "client id" | null}      the requests of one client, or of all, as they were received
//   {"tls": {…}}                          listen at the next port with TLS, and ask for certificates; see mtls.mjs
//   {"refresh_tokens": "client id"}       those of a client that are not revoked, used up or not
//   {"withdraw": "client id"}             every grant of a client is revoked, as if people took their consent back
// What cannot be done is answered {"error": "why"}.

import { Console } from 'node:console';
import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';

// stdout is the control channel alone; what oidc-provider has to say goes to stderr.
globalThis.console = new Console(process.stderr, process.stderr);
const { authorizationServer, signingKey } = await import('./provider.mjs');
const { clientOfAssertion, registerGrants } = await import('./grants.mjs');
const { listenForCertificates } = await import('./mtls.mjs');
const { interactions } = await import('./pages.mjs');
const { hear, keepRequest, requests } = await import('./received.mjs');
const { Storage } = await import('./storage.mjs');

const HOST = '127.0.0.1';
const port = Number(process.argv[2]);
const clients = new Map();
const options = new Map();
const storage = new Storage(clients);
const key = signingKey();
const server = authorizationServer(HOST, port, storage.adapter, options, key);
registerGrants(server, createPublicKey({ key, format: 'jwk' }), options);
for (const part of [keepRequest, clientOfAssertion, interactions]) server.use(part);

const callback = server.callback();
function handle(request, response) {
  hear(request);
  callback(request, response);
}

async function register({ client, options: itsOptions }) {
  const before = [clients, options].map((all) => all.get(client.client_id));
  clients.set(client.client_id, client);
  options.set(client.client_id, itsOptions);
  try {
    await server.Client.validate(client);
  } catch (error) {
    [clients, options].forEach((all, which) => all.set(client.client_id, before[which]));
    throw new Error(error.error_description ?? error.message);
  }
  return { registered: client.client_id };
}

function received({ requests: wanted }) {
  return { requests: requests.filter((one) => one.status && (wanted === null || one.client_id === wanted)) };
}

function refreshTokens({ refresh_tokens: wanted }) {
  const found = [...storage.alive('RefreshToken')].filter(([, payload]) => payload.clientId === wanted);
  return { refresh_tokens: found.map(([id, { grantId, consumed }]) => ({ token: id, grant: grantId, used: !!consumed })) };
}

async function withdraw({ withdraw: wanted }) {
  const grants = [...storage.alive('Grant')].filter(([, payload]) => payload.clientId === wanted);
  const models = [server.AccessToken, server.RefreshToken, server.AuthorizationCode, server.DeviceCode];
  for (const [id] of grants) {
    for (const model of models) await model.revokeByGrantId(id);
    await server.Grant.adapter.destroy(id);
  }
  return { withdrawn: grants.length };
}

const listen = async ({ tls }) => ({ tls: await listenForCertificates(tls, port + 1, HOST, handle) });
const COMMANDS = { client: register, requests: received, tls: listen, refresh_tokens: refreshTokens, withdraw };

async function obey(command) {
  const name = Object.keys(COMMANDS).find((one) => one in command);
  try {
    return await COMMANDS[name](command);
  } catch (error) {
    return { error: error.message };
  }
}

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);
const http = createServer(handle);
http.listen(port, HOST, () => say({ port: http.address().port }));
let last = Promise.resolve();
createInterface({ input: process.stdin })
  .on('line', (line) => { last = last.then(() => obey(JSON.parse(line))).then(say); })
  .on('close', () => process.exit(0));
