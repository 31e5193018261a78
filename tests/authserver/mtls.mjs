// Mutual TLS (RFC 8705): a second listener that asks every client for a certificate and turns nobody away, and what
// oidc-provider wants to know of a certificate.

import { createServer } from 'node:https';

// Node gives a name as lines, from the root on; RFC 4514 section 2.1 joins them by commas, the other way round.
const inRfc4514 = (name) => name.split('\n').reverse().join(',');

// `DNS:a, URI:b` as Node writes it; what a client may be registered by is compared with one entry.
const PREFIXES = {
  tls_client_auth_san_dns: 'DNS:',
  tls_client_auth_san_email: 'email:',
  tls_client_auth_san_ip: 'IP Address:',
  tls_client_auth_san_uri: 'URI:',
};

export const certificates = {
  // Undefined on the listener without TLS, which has neither.
  getCertificate: (ctx) => ctx.socket.getPeerX509Certificate?.(),
  certificateAuthorized: (ctx) => ctx.socket.authorized === true,
  certificateSubjectMatches: (ctx, property, expected) => {
    const { subject, subjectAltName } = ctx.socket.getPeerX509Certificate();
    if (property === 'tls_client_auth_subject_dn') return inRfc4514(subject) === expected;
    return (subjectAltName ?? '').split(', ').includes(PREFIXES[property] + expected);
  },
};

// `tls` holds PEM: the server's `certificate` with its `key`, and the `authority` whose certificates it trusts.
export function listenForCertificates(tls, port, host, handle) {
  const options = { cert: tls.certificate, key: tls.key, ca: tls.authority, requestCert: true };
  return new Promise((resolve, reject) => {
    const https = createServer({ ...options, rejectUnauthorized: false }, handle);
    https.once('error', reject);
    https.listen(port, host, () => resolve(https.address().port));
  });
}
