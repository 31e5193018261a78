"""What every HTTP request of ours has in common: whom it trusts, how much it reads, how it fails.

What stock clients do by themselves is off: proxies and netrc from the environment, cookies, redirects, unbounded
bodies. Each request has one deadline for everything.
"""
