# What rotator needs of the `default` policy, for tokens that do not have it (token_no_default_policy=true).
# Tells a token that is dead from one that lacks a policy.
path "auth/token/lookup-self"          { capabilities = ["read"] }
# Kept alive, and given back at the end.
path "auth/token/renew-self"           { capabilities = ["update"] }
path "auth/token/revoke-self"          { capabilities = ["update"] }
# For `rotator check --live`.
path "sys/capabilities-self"           { capabilities = ["update"] }
