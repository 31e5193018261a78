"""What Vault and OpenBao say in error bodies, in our words. Their own are matched and never passed on."""

from __future__ import annotations

KNOWN = (
    ("check-and-set parameter required", "the mount demands check-and-set"),
    ("namespace not found", "there is no such namespace"),
    # Logins. What a method does not know it mostly calls a denied permission, and tells the rest to its log.
    ("invalid role or secret id", "it does not know the role id, or the secret id is wrong, expired or used up"),
    ("invalid role id", "it does not know the role id"),
    ("invalid secret id", "the secret id is wrong, expired or used up"),
    ("source address", "this machine's address is not among those that the role or secret id is bound to"),
    ("invalid username or password", "it does not know the user, or the password is wrong"),
    ("service account name not authorized", "the role does not take this service account"),
    ("namespace not authorized", "the role does not take service accounts of this Kubernetes namespace"),
    ("invalid role name", "there is no such role"),
    ("could not be found", "there is no such role"),
    ("missing role", "no role was sent, and the mount has no default role"),
    ("could not load configuration", "nobody has configured the method at this mount yet"),
    ("audience (aud) claim", "the JWT is for another audience than the role takes"),
    ("issuer (iss) claim", "another issuer made the JWT than the mount takes"),
    ("expiration time (exp) claim", "the JWT has expired"),
    ("(nbf) claim", "the JWT is not valid yet; the clocks may differ"),
    ("error validating claims", "a claim of the JWT is not what the role wants"),
    ("fetching keys", "it could not fetch the keys that it checks JWTs with"),
    ("error verifying token signature", "none of the keys that it checks JWTs with has signed this one"),
    ("no client certificate found", "it was shown no certificate; a proxy in front of it may end the TLS connection"),
    ("no chain matching all constraints", "the role does not take this certificate"),
    ("invalid certificate or no client certificate", "no role takes this certificate, or there is no such role"),
    ("failed to verify client's certificate", "the certificate has expired, is not valid yet, or was revoked"),
    # Leases, and the roles of dynamic secrets engines.
    ("invalid lease", "there is no such lease, or it has ended"),
    ("unknown role", "there is no such role"),
    # The transit engine.
    ("signing key not found", "there is no such key"),
    ("does not support signing", "a key of its type signs nothing"),
    ("requested version for signing", "the key has no such version, or it may sign no more"),
    ("key derivation", "the key is a derived one, which wants a context with each request"),
    # Everything else.
    ("to versioned data", "the mount is being set up"),
    ("lease is not renewable", "the token cannot be renewed"),
    ("missing client token", "no token was sent"),
    ("sealed", "it is sealed"),
    ("not initialized", "it is not initialised"),
    ("access to this namespace has been locked", "the namespace is locked"),
    ("local node not active", "no active node answers"),
    ("standby", "it is a standby that cannot reach its leader"),
    ("maintenance", "it is under maintenance"),
    ("no space left", "its disk is full"),
    ("unsupported operation", "the path does not take this operation"),
    ("unsupported path", "no secrets engine serves this path"),
    ("no handler for route", "nothing is mounted at this path"),
    ("permission denied", "it does not say why; its own log may, unless nothing is mounted there"),
)
"""Phrases, and what they mean. The first one that fits counts."""

PASSING = frozenset({"to versioned data", "fetching keys"})
"""What passes by itself, whatever the status: a new KV v2 mount that is being set up, which a standby may tell a while
after the leader has done it, and an issuer of JWTs that is away."""

REFUSING = frozenset(
    {
        "namespace not found",
        "failed to verify client's certificate",
        "requested version for signing",
        "key derivation",
    }
)
"""What is a refusal although the status says that there is nothing at the path, or that Vault failed inside."""
