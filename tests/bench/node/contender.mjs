// The Node contender: openid-client mints, node-vault reads and writes. See tests/bench/programs/protocol.py.

import { createInterface } from 'node:readline';
import { performance } from 'node:perf_hooks';
import * as openid from 'openid-client';
import nodeVault from 'node-vault';

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const task = JSON.parse((await lines.next()).value);
const vault = nodeVault({ apiVersion: 'v1', endpoint: task.vault, token: task.vault_token });
const server = { issuer: new URL(task.token_url).origin, token_endpoint: task.token_url };
const versions = new Map();

async function refresh(name) {
  const { client_id, client_secret } = (await vault.read(`${task.source}/${name}`)).data.data;
  const method = openid.ClientSecretBasic(client_secret);
  const configuration = new openid.Configuration(server, client_id, { client_secret }, method);
  openid.allowInsecureRequests(configuration);
  const answer = await openid.clientCredentialsGrant(configuration, { scope: task.scope });
  const written = await vault.write(`${task.sink}/${name}`, {
    options: { cas: versions.get(name) ?? 0 },
    data: {
      access_token: answer.access_token,
      token_type: answer.token_type,
      scope: answer.scope,
      expires_at: new Date(Date.now() + answer.expires_in * 1000).toISOString(),
    },
  });
  versions.set(name, written.data.version);
}

// Everything once, so many at a time.
async function refreshAll() {
  const names = task.names.values();
  const worker = async () => {
    for (const name of names) await refresh(name);
  };
  await Promise.all(Array.from({ length: task.concurrency }, worker));
  return task.names.length;
}

const say = (answer) => process.stdout.write(`${JSON.stringify(answer)}\n`);

say({ ready: true });
for await (const line of lines) {
  JSON.parse(line);
  const [began, spent] = [performance.now(), process.cpuUsage()];
  const refreshes = await refreshAll();
  const wall = (performance.now() - began) / 1000;
  const { user, system } = process.cpuUsage(spent);
  say({ refreshes, wall_s: wall, cpu_s: (user + system) / 1e6 });
}
