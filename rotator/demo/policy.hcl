# What rotator needs in Vault or OpenBao, for KV v2 at secret/: see docs/vault.md.
path "secret/data/apps/*"        { capabilities = ["read"] }
path "secret/data/tokens/*"      { capabilities = ["create", "read", "update"] }
path "secret/metadata/tokens/*"  { capabilities = ["create", "read", "update"] }
