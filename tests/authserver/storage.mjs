// What oidc-provider keeps, in memory; the methods are those that its documentation asks of an adapter.
//
// Clients are read from what the tests registered. All else is whatever the provider itself put here; what is one
// grant's goes with it, which is how a refresh token that is used twice takes the whole family along.

const GRANTABLE = new Set(['AccessToken', 'AuthorizationCode', 'DeviceCode', 'RefreshToken']);
const seconds = () => Math.floor(Date.now() / 1000);

export class Storage {
  constructor(clients) {
    this.clients = clients;
    this.kept = new Map();
    this.adapter = (model) => new Adapter(this, model);
  }

  // What there is of one kind, or of some, and has not expired: [its id, what is kept of it] each.
  *alive(...models) {
    for (const [key, { model, id, payload, until }] of this.kept) {
      if (until < Date.now()) this.kept.delete(key);
      else if (models.includes(model)) yield [id, payload];
    }
  }
}

class Adapter {
  constructor(storage, model) {
    this.storage = storage;
    this.model = model;
  }

  async upsert(id, payload, expiresIn) {
    // A code that is spent is remembered for a while: only then is its second use told from nonsense.
    const until = expiresIn === undefined ? Infinity : Date.now() + (expiresIn + 60) * 1000;
    this.storage.kept.set(`${this.model}:${id}`, { model: this.model, id, payload, until });
  }

  async find(id) {
    if (this.model === 'Client') return this.storage.clients.get(id);
    return this.storage.kept.get(`${this.model}:${id}`)?.payload;
  }

  async findByUid(uid) {
    return this.#findBy('uid', uid);
  }

  async findByUserCode(userCode) {
    return this.#findBy('userCode', userCode);
  }

  async consume(id) {
    this.storage.kept.get(`${this.model}:${id}`).payload.consumed = seconds();
  }

  async destroy(id) {
    this.storage.kept.delete(`${this.model}:${id}`);
  }

  async revokeByGrantId(grantId) {
    for (const [id, payload] of [...this.storage.alive(this.model)]) {
      if (GRANTABLE.has(this.model) && payload.grantId === grantId) await this.destroy(id);
    }
  }

  #findBy(member, wanted) {
    for (const [, payload] of this.storage.alive(this.model)) if (payload[member] === wanted) return payload;
    return undefined;
  }
}
