"""Everything that can go wrong with a credential, as one closed table and one exception.

A code is what logs, metrics and users see, so its name never changes. The table answers the two questions that
matter: does another try make sense, and what does a person do about it. Foreign exceptions are translated where they
arise and go no further; a `RotationError` carries a code and a sentence that holds no secret and no foreign text.
"""

from __future__ import annotations

from enum import Enum


class Code(Enum):
    """One kind of failure: its stable name, whether trying again makes sense, what it means and how to mend it."""

    def __init__(self, text: str, retryable: bool, meaning: str, cure: str) -> None:  # noqa: FBT001  rows of a table
        self.text = text
        self.retryable = retryable
        self.meaning = meaning
        self.cure = cure

    # Vault and OpenBao
    VAULT_UNAVAILABLE = (
        "vault_unavailable",
        True,
        "Vault could not be reached, is sealed, has no leader, or did not answer in time.",
        "Look at `bao status`; rotator goes on by itself once Vault answers.",
    )
    VAULT_THROTTLED = (
        "vault_throttled",
        True,
        "Vault refused the request because of a rate limit quota.",
        "Raise the quota for rotator's requests, or list fewer credentials here.",
    )
    VAULT_TLS = (
        "vault_tls",
        True,
        "The TLS connection to Vault could not be trusted.",
        "Check vault.ca_file, the server's certificate and its host name.",
    )
    VAULT_ADDRESS_REFUSED = (
        "vault_address_refused",
        True,
        "Vault's host is at an address that must not be talked to; nothing was sent there.",
        "See why DNS answers so; vault.allowed_networks says which networks are right.",
    )
    VAULT_LOGIN_REFUSED = (
        "vault_login_refused",
        False,
        "Vault refused the login itself.",
        "Put what is valid into the file that vault.auth names, or mend the role in Vault; no restart is needed.",
    )
    VAULT_WRAP_SPENT = (
        "vault_wrap_spent",
        False,
        (
            "The response-wrapped secret id cannot be unwrapped: the wrapping token was used before, has expired, or "
            "was replaced. If this rotator has not used it in an earlier run, it may have been intercepted."
        ),
        (
            "See in Vault's audit log who called sys/wrapping/unwrap, and destroy that secret id by its accessor; "
            "then deliver a newly wrapped one to the file. No restart is needed."
        ),
    )
    VAULT_DENIED = (
        "vault_denied",
        False,
        "The Vault token is good, but its policies do not allow this path.",
        "Add the missing capability, which the message names, to rotator's policy.",
    )
    VAULT_REFUSED = (
        "vault_refused",
        False,
        "Vault finds the request itself wrong.",
        "Check that the path belongs to a KV secrets engine, and that vault.namespace is right.",
    )
    VAULT_MALFORMED = (
        "vault_malformed",
        True,
        "Vault's answer is not what its API documents.",
        "See what stands between rotator and Vault: a proxy or a load balancer that answers in its place.",
    )
    VAULT_REDIRECTED = (
        "vault_redirected",
        False,
        "Vault answered with a redirect to a host that the configuration does not name.",
        "Set vault.address to the address that the redirect names, if that is your Vault.",
    )
    MOUNT_MISSING = (
        "mount_missing",
        False,
        "No KV secrets engine is mounted where the path points.",
        "Check the path with `bao kv get`; `bao secrets list` shows the mounts.",
    )
    SECRET_MISSING = (
        "secret_missing",
        False,
        "There is nothing where the client credentials should be.",
        "Write client_id and client_secret there; in Vault, `bao kv put PATH client_id=… client_secret=…`.",
    )
    SECRET_DELETED = (
        "secret_deleted",
        False,
        "The newest version of the client credentials has been deleted.",
        "`bao kv undelete -versions=N PATH`, or write a new version.",
    )
    SECRET_MALFORMED = (
        "secret_malformed",
        False,
        "The document with the client credentials lacks a field, or holds one that cannot be used.",
        "Store client_id and client_secret as non-empty strings, or name your fields in source.fields.",
    )
    SIGNING_KEY_UNUSABLE = (
        "signing_key_unusable",
        False,
        "The key of Vault's transit engine that signs assertions is missing, or makes other signatures than asked for.",
        "Make a key of the right type, or set assertion.algorithm to what the key signs with; the message says which.",
    )

    # The token endpoint: transport
    PROVIDER_UNREACHABLE = (
        "provider_unreachable",
        True,
        "No connection to the token endpoint could be made, or it broke before an answer came.",
        "Check token_url, DNS and the network; rotator keeps trying.",
    )
    PROVIDER_TIMEOUT = (
        "provider_timeout",
        True,
        "The token endpoint did not answer whole within the deadline.",
        "Ask the provider; providers.NAME.timeout sets the deadline.",
    )
    PROVIDER_TLS = (
        "provider_tls",
        True,
        "The TLS connection to the token endpoint could not be trusted.",
        "Check the provider's certificate, its host name in token_url, and providers.NAME.ca_file.",
    )
    PROVIDER_ADDRESS_REFUSED = (
        "provider_address_refused",
        True,
        "The token endpoint's host is at an address that must not be talked to; nothing was sent there.",
        "See why DNS answers so; providers.NAME.allowed_networks says which networks are right.",
    )
    PROVIDER_UNAVAILABLE = (
        "provider_unavailable",
        True,
        "The token endpoint answered that it cannot serve now (5xx, 408 or 425).",
        "Ask the provider; rotator keeps trying.",
    )
    PROVIDER_THROTTLED = (
        "provider_throttled",
        True,
        "The token endpoint asks for fewer requests (429).",
        "Lower providers.NAME.rate_limit, or have the limit raised.",
    )
    PROVIDER_REDIRECTED = (
        "provider_redirected",
        False,
        "The token endpoint answered with a redirect, which is never followed: it would carry the secret elsewhere.",
        "Set token_url to the address that serves tokens itself.",
    )
    PROVIDER_REFUSED = (
        "provider_refused",
        False,
        "The token endpoint refused the request without one of the error codes of RFC 6749.",
        "Check token_url, and try the same request with curl.",
    )

    DISCOVERY_INVALID = (
        "discovery_invalid",
        False,
        "The issuer's metadata is not there, names another issuer, or has no endpoint on a host that is allowed.",
        "Compare issuer with the document at its .well-known address, or set token_url and the other URLs here.",
    )

    # The token endpoint: RFC 6749 section 5.2 and RFC 8707 section 2
    INVALID_CLIENT = (
        "invalid_client",
        False,
        "The authorization server does not know this client id, or the client secret is wrong.",
        (
            "Write the right secret to the source path; rotator notices within seconds. "
            'A server that does not form-decode id and secret needs basic_encoding = "raw".'
        ),
    )
    INVALID_REQUEST = (
        "invalid_request",
        False,
        "The authorization server finds the request malformed.",
        "Check scope, audience, resource and parameters against the provider's documentation.",
    )
    INVALID_GRANT = (
        "invalid_grant",
        False,
        "The authorization server does not accept the grant.",
        "Check the grant and the client's registration at the provider.",
    )
    UNAUTHORIZED_CLIENT = (
        "unauthorized_client",
        False,
        "This client may not use this grant.",
        "Allow the grant in the client's registration at the provider.",
    )
    UNSUPPORTED_GRANT_TYPE = (
        "unsupported_grant_type",
        False,
        "The authorization server does not offer this grant.",
        "Choose a grant that the provider offers.",
    )
    INVALID_SCOPE = (
        "invalid_scope",
        False,
        "The scope is unknown, malformed, or more than this client may have.",
        "Check scope, or have the client's registration widened.",
    )
    INVALID_TARGET = (
        "invalid_target",
        False,
        "The resource or audience is unknown to the authorization server.",
        "Check resource and audience.",
    )

    # Grants that a person has to start
    LOGIN_MISSING = (
        "login_missing",
        False,
        "The grant has to be started by a person who signs in, and nobody has yet.",
        "Run `rotator login NAME`; the running rotator goes on within seconds.",
    )
    LOGIN_ENDED = (
        "login_ended",
        False,
        "The refresh token is not accepted any more: it has expired, was revoked, or was used by somebody else.",
        "Sign in anew with `rotator login NAME`; the running rotator goes on within seconds.",
    )
    LOGIN_REFUSED = (
        "login_refused",
        False,
        "The sign-in did not come to its end: somebody said no, or it was not this one.",
        "Run `rotator login NAME` once more, and agree to what the provider's page asks.",
    )
    NO_REFRESH_TOKEN = (
        "no_refresh_token",
        False,
        "The provider gave an access token and no refresh token, so that nobody could go on when it ends.",
        (
            'Many providers want "offline_access" in login.scope, and some login.parameters = { prompt = "consent" }; '
            "or allow the refresh_token grant in the client's registration."
        ),
    )
    GRANT_CLAIMED = (
        "grant_claimed",
        True,
        "Another rotator uses the refresh token at this moment; used twice, it would be revoked.",
        "Nothing, if the other one is meant to be there: this one takes over what it gets.",
    )

    # Answers that are not published
    ANSWER_TRUNCATED = (
        "answer_truncated",
        True,
        "The answer ended before it was complete.",
        "Usually a passing network fault; if it stays, look at the proxies in between.",
    )
    ANSWER_STATUS = (
        "answer_status",
        True,
        "The answer's HTTP status is none that a token endpoint gives.",
        "Check that token_url is the token endpoint.",
    )
    ANSWER_TOO_LARGE = (
        "answer_too_large",
        True,
        "The answer is larger than any token response.",
        "Check that token_url is the token endpoint.",
    )
    ANSWER_NOT_JSON = (
        "answer_not_json",
        True,
        "The answer is not a JSON object in UTF-8.",
        "Check that token_url is the token endpoint and no login page or proxy answers in its place.",
    )
    ANSWER_CONTRADICTORY = (
        "answer_contradictory",
        False,
        "The answer says a thing twice, or an error and a token at once.",
        "Report it to the provider: RFC 6749 section 5 allows no such answer.",
    )
    TOKEN_MISSING = (
        "token_missing",
        False,
        "The answer carries no access_token, or one that is no string.",
        "Check that token_url is the token endpoint.",
    )
    TOKEN_INVALID = (
        "token_invalid",
        False,
        "The access token has characters that RFC 6750 section 2.1 forbids, or is too large to be delivered.",
        "Report it to the provider.",
    )
    TOKEN_TYPE_UNSUPPORTED = (
        "token_type_unsupported",
        False,
        "The answer's token_type is missing or is not Bearer, and a client must not use such a token.",
        "Ask the provider for tokens of type Bearer; assume_bearer = true accepts an answer without token_type.",
    )
    TOKEN_BOUND = (
        "token_bound",
        False,
        "The token is bound to a key or a certificate, and whoever holds it alone cannot use it.",
        "Have the provider hand out tokens that are not bound (RFC 8705, RFC 9449): consumers have no key to show.",
    )
    LIFETIME_MISSING = (
        "lifetime_missing",
        False,
        "The answer says nothing about the token's lifetime.",
        "Set providers.NAME.assumed_lifetime to what the provider's documentation says.",
    )
    LIFETIME_INVALID = (
        "lifetime_invalid",
        False,
        "The token's lifetime is negative or no number.",
        "Report it to the provider.",
    )
    SCOPE_NARROWER = (
        "scope_narrower",
        False,
        "The granted scope is narrower than the one asked for.",
        "Widen the client's registration, ask for less, or set accept_narrower_scope = true.",
    )
    EXPIRED_ON_ARRIVAL = (
        "expired_on_arrival",
        True,
        "The token had already expired when its answer arrived.",
        "The provider is slow, or hands out a cached token until its end.",
    )

    # Checks before a token is published
    VERIFY_REFUSED = (
        "verify_refused",
        False,
        "The token has not passed a check that is made before one is published. Consumers keep the one before it.",
        "Do as the message says: what the provider hands out is wrong, or verify wants something else.",
    )
    VERIFY_UNAVAILABLE = (
        "verify_unavailable",
        True,
        "A check that is made before a token is published could not be made. Consumers keep the one before it.",
        "See why nobody answers there; the token is kept and checked again, and no other is asked for meanwhile.",
    )

    # Sinks
    SINK_FOREIGN = (
        "sink_foreign",
        False,
        "The sink holds data that rotator did not write.",
        "Choose another path, or hand this one over as the message says.",
    )
    SINK_CONFLICT = (
        "sink_conflict",
        True,
        "Somebody else writes there as well: at the same moment, twice, or with dates of a clock that is ahead.",
        "Let one writer only own the path, or let the clocks of all of them agree.",
    )
    FILE_NO_SPACE = (
        "file_no_space",
        True,
        "The file system is full, or a quota is used up.",
        "Free space there; the old file stays in place meanwhile.",
    )
    FILE_READ_ONLY = (
        "file_read_only",
        True,
        "The file system is mounted read-only.",
        "Mount it for writing; the old file stays in place meanwhile.",
    )
    FILE_IO = (
        "file_io",
        True,
        "The file system reported an error.",
        "Look at the kernel's log; the old file stays in place meanwhile.",
    )
    FILE_DENIED = (
        "file_denied",
        False,
        "The file may not be read, or it or its directory not be written, by this user.",
        "Let rotator's user read a source's files, and write in the directory of a sink's.",
    )
    FILE_DIRECTORY_MISSING = (
        "file_directory_missing",
        True,
        "The directory of the file does not exist.",
        "Create it, with the owner and mode that the consumers need.",
    )
    FILE_UNSAFE = (
        "file_unsafe",
        False,
        "The file is not safe: it or its directory is open to others, or it is no plain file.",
        "Do as the message says.",
    )
    FILE_OWNER = (
        "file_owner",
        False,
        "The configured owner or group does not exist or may not be given by this user.",
        "Create the user or group, or run rotator with the right to give files away.",
    )
    FILE_TEMPLATE = (
        "file_template",
        False,
        "The template of a file could not be made into one: the result is too large, or does not hold the token.",
        "Mend the template as the message says and reload; the old file stays in place meanwhile.",
    )

    # Kubernetes
    KUBERNETES_UNAVAILABLE = (
        "kubernetes_unavailable",
        True,
        "The Kubernetes API server could not be reached, failed inside, or did not answer in time.",
        "Look at `kubectl get --raw /readyz?verbose`; rotator goes on by itself, and the Secret keeps its old token.",
    )
    KUBERNETES_THROTTLED = (
        "kubernetes_throttled",
        True,
        "The Kubernetes API server asks for fewer requests (429).",
        "Give rotator's service account a priority level of its own (FlowSchema); rotator waits as it was asked.",
    )
    KUBERNETES_TLS = (
        "kubernetes_tls",
        True,
        "The TLS connection to the Kubernetes API server could not be trusted.",
        "Check the sink's ca_file, the server's certificate and its host name.",
    )
    KUBERNETES_ADDRESS_REFUSED = (
        "kubernetes_address_refused",
        True,
        "The Kubernetes API server's host is at an address that must not be talked to; nothing was sent there.",
        "See why DNS answers so, and check the sink's api_server.",
    )
    KUBERNETES_LOGIN_REFUSED = (
        "kubernetes_login_refused",
        False,
        "The Kubernetes API server does not know the bearer token, or its file cannot be used.",
        "Put a valid service account token into the file that token_file names; no restart is needed.",
    )
    KUBERNETES_DENIED = (
        "kubernetes_denied",
        False,
        "The service account is known, but no Role lets it read or write this Secret.",
        "Add the Role that the message names, and a RoleBinding for rotator's service account.",
    )
    KUBERNETES_NAMESPACE_MISSING = (
        "kubernetes_namespace_missing",
        True,
        "The namespace of the Secret does not exist, or is being deleted.",
        "Create the namespace, or name the right one in the sink.",
    )
    KUBERNETES_REFUSED = (
        "kubernetes_refused",
        False,
        "The Kubernetes API server refuses the write: an immutable Secret, a quota, a policy or a wrong form.",
        "Do as the message says.",
    )
    KUBERNETES_MALFORMED = (
        "kubernetes_malformed",
        True,
        "The answer is not what the Kubernetes API documents.",
        "Check api_server, and see what stands in between: a proxy or load balancer that answers in its place.",
    )

    # The socket for local consumers
    LOCAL_PEERS = (
        "local_peers",
        False,
        "Those who may ask at the local socket are not known on this machine, or cannot be told from others.",
        "Create the user or group, or name another one in the sink's users and groups.",
    )

    # What is done after a write
    HOOK_COMMAND = (
        "hook_command",
        False,
        "The command of a hook is missing, or cannot be executed.",
        "Install it, or name another one in after_write; it needs the x bits, and #! with an interpreter if a script.",
    )
    HOOK_UNSAFE = (
        "hook_unsafe",
        False,
        "Others could change what a hook runs, or whom it signals.",
        "Do as the message says.",
    )
    HOOK_FAILED = (
        "hook_failed",
        True,
        "The command of a hook ended with an error, or could not be started.",
        "Run it by hand as rotator's user; the message holds its exit code and the end of what it said.",
    )
    HOOK_TIMEOUT = (
        "hook_timeout",
        True,
        "A hook had not ended within its timeout and was cut off.",
        "See what it waits for; timeout beside the hook sets the deadline.",
    )
    HOOK_TARGET = (
        "hook_target",
        True,
        "There is no process to signal: the pid file is missing, holds no process id, or is out of date.",
        "See whether the service runs and writes this pid file; it gets the next token's signal.",
    )
    HOOK_DENIED = (
        "hook_denied",
        False,
        "rotator's user may not signal the process that the pid file names.",
        "Run both as one user, give rotator CAP_KILL, or use a hook of type systemd or exec.",
    )
    HOOK_UNREACHABLE = (
        "hook_unreachable",
        True,
        "A webhook could not be reached, or answered that it cannot serve now (5xx, 408, 425 or 429).",
        "Check its URL, DNS and the network, and ask whoever runs it.",
    )
    HOOK_TLS = (
        "hook_tls",
        True,
        "The TLS connection to a webhook could not be trusted.",
        "Check the certificate, its host name in url, and ca_file beside the hook.",
    )
    HOOK_REFUSED = (
        "hook_refused",
        False,
        "A webhook answered with a redirect, which is never followed, or with another status that is no success.",
        "Set url to the address that takes it itself, and check bearer_file.",
    )
    HOOK_BEARER = (
        "hook_bearer",
        False,
        "The file with the bearer for a webhook cannot be used.",
        "Put it there, into a file of mode 0600, as the message says.",
    )
    HOOK_STOPPED = (
        "hook_stopped",
        False,
        "rotator was stopped before a hook had ended, and cut it off.",
        "Raise shutdown_grace, or make the hook quicker; it runs again after the next write.",
    )

    # What others have added
    PLUGIN_UNAVAILABLE = (
        "plugin_unavailable",
        True,
        "What a plugin reads from or writes to cannot be reached, or cannot serve now.",
        "Do as the message says; rotator keeps trying.",
    )
    PLUGIN_REFUSED = (
        "plugin_refused",
        False,
        "What a plugin reads from or writes to refuses the request.",
        "Do as the message says.",
    )
    PLUGIN_TIMEOUT = (
        "plugin_timeout",
        True,
        "A plugin did not come to an end within its deadline, and was cut off.",
        "See whether what it talks to hangs; if it does not, report it to the plugin's author with the log line.",
    )
    PLUGIN_FAILED = (
        "plugin_failed",
        True,
        "A plugin failed in a way that it did not foresee, or did not keep its contract.",
        "Report it to the plugin's author with the log line; the other credentials are not touched.",
    )

    INTERNAL = (
        "internal",
        True,
        "rotator itself failed in a way that nobody foresaw.",
        "Report it with the log line; the other credentials are not touched.",
    )


class RotationError(Exception):
    """A failure of one credential at one step.

    Args:
        code: What kind it is.
        detail: One sentence for a person: what, where, what was found, what was wanted. No secrets, no foreign text.
        retry_after: Seconds that the other side asked us to wait, already clamped; None if it did not say.
        ambiguous: Whether a request had been sent whose outcome is not known: a token may live that nobody holds (P07).
        kept_until: Until when, on the elapsed clock, the endpoint keeps a token that waits for its checks: an attempt
            before then asks the provider for none. None when it keeps none.
    """

    def __init__(
        self,
        code: Code,
        detail: str,
        *,
        retry_after: float | None = None,
        ambiguous: bool = False,
        kept_until: float | None = None,
    ) -> None:
        super().__init__(f"{code.text}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.ambiguous = ambiguous
        self.kept_until = kept_until


def whence(error: BaseException) -> str:
    """Kind and place of an unforeseen exception. Its text is left out, since it may hold anything."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = "" if trace is None else f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
    return f"{type(error).__name__}{place}"
