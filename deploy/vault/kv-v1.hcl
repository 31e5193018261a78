# What rotator needs in Vault or OpenBao, for KV v1 at secret/: see docs/howto/approle.md.
path "secret/apps/*"    { capabilities = ["read"] }
path "secret/tokens/*"  { capabilities = ["create", "read", "update"] }
