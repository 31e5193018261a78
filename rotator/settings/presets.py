"""What the big providers want, as keys of a [providers.NAME] table: data, and nothing but data.

A preset fills keys that the operator has not written (`rotator.settings.filling`); nothing else knows of it. None of
the providers was asked: each row says which pages of the provider's own documentation it follows, and when they were
read. What those pages do not say is not here.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

PRESET = "preset"
"""The key of a provider that names one."""

READ = "2026-11-24"
"""When the pages below were read."""

_NAME = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"


@dataclass(frozen=True, slots=True)
class Kind:
    """What a variable may consist of, so that it stays where a preset puts it.

    Attributes:
        pattern: What the whole of it matches.
        wanted: The same in words.
    """

    pattern: str
    wanted: str


HOST = Kind(
    rf"(?:{_NAME}\.)+{_NAME}(?::[1-9][0-9]{{0,4}})?",
    "a host name in small letters, with a port where it has one, and no slash",
)
LABEL = Kind(_NAME, "one label of a host name: small letters, digits and dashes")
SEGMENT = Kind(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}", "one segment of a path: letters, digits, dots, dashes, _ and ~")
NUMBER = Kind(r"[1-9][0-9]{0,19}", "a number, as text")
PING_REGION = Kind(r"com|ca|eu|com\.au|sg|asia", "com, ca, eu, com.au, sg or asia")


@dataclass(frozen=True, slots=True)
class Variable:
    """What a preset has to be told.

    Attributes:
        kind: What it may consist of.
        meaning: A phrase.
        sample: One that would do.
        default: What it is when it is left out; None when it must be given, or what needs it is left out as well.
        optional: Whether it may be left out although it has no default.
    """

    kind: Kind
    meaning: str
    sample: str
    default: str | None = None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a provider's documentation, read on `READ`; its address is empty where it was read elsewhere."""

    title: str
    url: str


@dataclass(frozen=True, slots=True)
class Preset:
    """What one provider wants.

    Attributes:
        title: Of the provider.
        what: What the tokens are for, a phrase.
        keys: Of the provider's table; `{name}` stands for a variable. What needs one that is left out, is left out.
        grants: That its documentation describes and rotator has.
        checked: What it was checked against. None was tried against the provider itself.
        how: What that is, in a few words.
        variables: By name.
        notes: What else there is to know, in lines.
    """

    title: str
    what: str
    keys: Mapping[str, Any]
    grants: tuple[str, ...]
    checked: tuple[Page, ...]
    how: str = "documentation"
    variables: Mapping[str, Variable] = field(default_factory=dict)
    notes: str = ""


_LEARN = "https://learn.microsoft.com/en-us"
_OKTA = "https://developer.okta.com/docs"
_AUTH0 = "https://auth0.com/docs"
_PING = "https://developer.pingidentity.com/pingone-api"

PRESETS: Mapping[str, Preset] = {
    "thx": Preset(
        title="THX",
        what="asset pools of the THX network",
        keys={
            "token_url": "https://auth.thx.network/token",
            "client_auth": "client_secret_basic",
            "scope": "openid admin",
        },
        grants=("client_credentials", "authorization_code"),
        checked=(Page("Authorization", ""),),
        notes="""\
Tokens live 600 s.
For authorization_code: scope = "openid user" at the credential, and authorization_url or issuer here, which its page
does not tell.
""",
    ),
    "entra": Preset(
        title="Microsoft Entra ID",
        what="Microsoft Graph, Azure and APIs of one's own",
        variables={
            "tenant": Variable(SEGMENT, "id or domain of the tenant", "contoso.onmicrosoft.com"),
        },
        keys={
            "token_url": "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token",
            "authorization_url": "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/authorize",
            "device_authorization_url": "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/devicecode",
            "jwks_url": "https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys",
            "client_auth": "client_secret_post",
        },
        grants=("client_credentials", "authorization_code", "device_code"),
        checked=(
            Page(
                "Microsoft identity platform and the OAuth 2.0 client credentials flow",
                f"{_LEARN}/entra/identity-platform/v2-oauth2-client-creds-grant-flow",
            ),
            Page(
                "OpenID Connect on the Microsoft identity platform",
                f"{_LEARN}/entra/identity-platform/v2-protocols-oidc",
            ),
            Page(
                "Microsoft identity platform and the OAuth 2.0 device authorization grant flow",
                f"{_LEARN}/entra/identity-platform/v2-oauth2-device-code",
            ),
            Page(
                "Microsoft identity platform application authentication certificate credentials",
                f"{_LEARN}/entra/identity-platform/certificate-credentials",
            ),
            Page(
                "Configurable token lifetimes in the Microsoft identity platform",
                f"{_LEARN}/entra/identity-platform/configurable-token-lifetimes",
            ),
        ),
        notes="""\
scope is one resource with /.default behind it, such as https://graph.microsoft.com/.default, and must be given.
Tokens live 60 to 90 minutes, at random; a hint in the answer (refresh_in) is followed.
With private_key_jwt, keep the certificate beside the key (field certificate): Entra knows the key by it (x5t#S256).
""",
    ),
    "azure-b2c": Preset(
        title="Azure AD B2C",
        what="web APIs registered in a B2C directory",
        variables={
            "tenant": Variable(LABEL, "name of the directory, without .onmicrosoft.com", "contoso"),
            "policy": Variable(SEGMENT, "user flow or custom policy; any one does", "B2C_1A_SUSI"),
        },
        keys={
            "token_url": "https://{tenant}.b2clogin.com/{tenant}.onmicrosoft.com/{policy}/oauth2/v2.0/token",
            "client_auth": "client_secret_post",
        },
        grants=("client_credentials",),
        checked=(
            Page(
                "Set up OAuth 2.0 client credentials flow in Azure Active Directory B2C",
                f"{_LEARN}/azure/active-directory-b2c/client-credentials-grant-flow",
            ),
        ),
        notes="""\
scope is the application id URI of the API with /.default behind it, and must be given.
Microsoft calls this flow a preview.
""",
    ),
    "okta": Preset(
        title="Okta",
        what="APIs of one's own, by a custom authorization server",
        variables={
            "domain": Variable(HOST, "host of the organization", "example.okta.com"),
            "server": Variable(SEGMENT, "id of the authorization server", "default", default="default"),
        },
        keys={
            "token_url": "https://{domain}/oauth2/{server}/v1/token",
            "issuer": "https://{domain}/oauth2/{server}",
            "client_auth": "client_secret_basic",
            "assertion": {"audience": "https://{domain}/oauth2/{server}/v1/token"},
        },
        grants=("client_credentials",),
        checked=(
            Page("Implement authorization by grant type", f"{_OKTA}/guides/implement-grant-type/clientcreds/main/"),
            Page("Authorization servers", f"{_OKTA}/concepts/auth-servers/"),
            Page("Client authentication methods", f"{_OKTA}/api/openapi/okta-oauth/guides/client-auth"),
        ),
        notes="""\
scope names custom scopes of the authorization server, and must be given.
""",
    ),
    "okta-org": Preset(
        title="Okta, for its own APIs",
        what="Okta's management APIs, by the org authorization server",
        variables={"domain": Variable(HOST, "host of the organization", "example.okta.com")},
        keys={
            "token_url": "https://{domain}/oauth2/v1/token",
            "issuer": "https://{domain}",
            "client_auth": "private_key_jwt",
            "assertion": {"audience": "https://{domain}/oauth2/v1/token"},
        },
        grants=("client_credentials",),
        checked=(
            Page(
                "Implement OAuth for Okta with a service app",
                f"{_OKTA}/guides/implement-oauth-for-okta-serviceapp/main/",
            ),
            Page("Authorization servers", f"{_OKTA}/concepts/auth-servers/"),
        ),
        notes="""\
Nothing but private_key_jwt is taken; assertion.key_id is the kid under which Okta has the public key.
scope names Okta's own scopes, such as okta.users.read. Tokens live 1 h.
""",
    ),
    "auth0": Preset(
        title="Auth0",
        what="APIs registered with a tenant, and its Management API",
        variables={"domain": Variable(HOST, "host of the tenant, or its custom domain", "example.eu.auth0.com")},
        keys={
            "token_url": "https://{domain}/oauth/token",
            "issuer": "https://{domain}/",
            "client_auth": "client_secret_post",
        },
        grants=("client_credentials",),
        checked=(
            Page("Get Token", f"{_AUTH0}/api/authentication/client-credential-flow/get-token"),
            Page(
                "Authenticate with Private Key JWT",
                f"{_AUTH0}/get-started/authentication-and-authorization-flow/authenticate-with-private-key-jwt",
            ),
            Page("Update Access Token Lifetime", f"{_AUTH0}/secure/tokens/access-tokens/update-access-token-lifetime"),
        ),
        notes="""\
audience is the identifier of the API, and must be given.
Tokens live 24 h unless the API says otherwise: assumed_lifetime = "24h" lets `rotator check` reckon with that.
Tokens count towards the monthly allotment of the tenant: quota = "1000/720h".
""",
    ),
    "keycloak": Preset(
        title="Keycloak",
        what="clients of a realm with a service account",
        variables={
            "domain": Variable(HOST, "host of the server", "keycloak.example.com"),
            "realm": Variable(SEGMENT, "name of the realm", "services"),
        },
        keys={
            "token_url": "https://{domain}/realms/{realm}/protocol/openid-connect/token",
            "issuer": "https://{domain}/realms/{realm}",
            "client_auth": "client_secret_basic",
        },
        grants=("client_credentials", "jwt_bearer", "token_exchange", "authorization_code", "device_code"),
        checked=(
            Page(
                "Securing applications and services with OpenID Connect: available endpoints, supported grant types",
                "https://www.keycloak.org/securing-apps/oidc-layers",
            ),
            Page("JWT Authorization Grant", "https://www.keycloak.org/securing-apps/jwt-authorization-grant"),
        ),
        notes="""\
Where the server has a path in front of /realms, such as /auth of old releases, write token_url and issuer.
Consumers have to look often: the tokens of its documentation live 5 minutes.
""",
    ),
    "cognito": Preset(
        title="Amazon Cognito",
        what="machine-to-machine tokens of a user pool",
        variables={
            "domain": Variable(LABEL, "prefix of the user pool's domain", "example"),
            "region": Variable(LABEL, "of AWS", "eu-central-1"),
            "user_pool": Variable(
                SEGMENT, "id of the user pool, for its issuer", "eu-central-1_AbCdEfGhI", optional=True
            ),
        },
        keys={
            "token_url": "https://{domain}.auth.{region}.amazoncognito.com/oauth2/token",
            "issuer": "https://cognito-idp.{region}.amazonaws.com/{user_pool}",
            "client_auth": "client_secret_basic",
        },
        grants=("client_credentials",),
        checked=(
            Page(
                "The token issuer endpoint",
                "https://docs.aws.amazon.com/cognito/latest/developerguide/token-endpoint.html",
            ),
        ),
        notes="""\
scope is the identifier of a resource server, a slash and a scope; left out it is all that the client may.
With a domain of one's own: token_url = "https://HOST/oauth2/token".
""",
    ),
    "google": Preset(
        title="Google service accounts",
        what="Google's APIs, as a service account",
        keys={
            "token_url": "https://oauth2.googleapis.com/token",
            "client_auth": "none",
            "assertion": {
                "algorithm": "RS256",
                "audience": "https://oauth2.googleapis.com/token",
                "claims": {"sub": ""},
            },
        },
        grants=("jwt_bearer",),
        checked=(
            Page(
                "google/oauth2/service_account.py of google-auth",
                "https://github.com/googleapis/google-auth-library-python",
            ),
            Page(
                "Using OAuth 2.0 for Server to Server Applications",
                "https://developers.google.com/identity/protocols/oauth2/service-account",
            ),
        ),
        how="Google's own library, and documentation in part",
        notes="""\
The scopes are a claim: assertion = { claims = { scope = "https://www.googleapis.com/auth/cloud-platform" } }.
To act for a user (domain-wide delegation): sub = "user@example.com" among the claims; else no sub is sent.
The key file can be stored as it is: fields = { client_id = "client_email" } in source. Tokens live 1 h.
""",
    ),
    "github-app": Preset(
        title="GitHub Apps",
        what="installation access tokens",
        variables={"installation_id": Variable(NUMBER, "number of the installation", "12345678")},
        keys={
            "token_url": "https://api.github.com/app/installations/{installation_id}/access_tokens",
            "client_auth": "none",
            "assertion": {"algorithm": "RS256"},
        },
        grants=("github_installation",),
        checked=(
            Page(
                "Generating an installation access token for a GitHub App",
                "https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/"
                "generating-an-installation-access-token-for-a-github-app",
            ),
            Page(
                "Generating a JSON Web Token (JWT) for a GitHub App",
                "https://docs.github.com/en/apps/creating-github-apps/authenticating-with-a-github-app/"
                "generating-a-json-web-token-jwt-for-a-github-app",
            ),
        ),
        notes="""\
client_id is the client id of the app, or its number. Tokens live 1 h.
""",
    ),
    "gitlab": Preset(
        title="GitLab",
        what="GitLab's API, for a person who signs in once",
        variables={"domain": Variable(HOST, "host of the instance", "gitlab.com", default="gitlab.com")},
        keys={
            "token_url": "https://{domain}/oauth/token",
            "authorization_url": "https://{domain}/oauth/authorize",
            "device_authorization_url": "https://{domain}/oauth/authorize_device",
            "revocation_url": "https://{domain}/oauth/revoke",
            "client_auth": "client_secret_post",
        },
        grants=("authorization_code", "device_code", "refresh_token"),
        checked=(Page("OAuth 2.0 identity provider API", "https://docs.gitlab.com/api/oauth2/"),),
        notes="""\
A refresh ends the access token before it at once: consumers need the new one without delay.
Use the local socket or after_write, and renew_at = 0.9 to refresh less often. Tokens live 2 h.
An application that is not confidential has no secret: client_auth = "none".
""",
    ),
    "salesforce": Preset(
        title="Salesforce",
        what="APIs of a Salesforce organization",
        variables={"domain": Variable(HOST, "host of My Domain", "example.my.salesforce.com")},
        keys={
            "token_url": "https://{domain}/services/oauth2/token",
            "client_auth": "client_secret_post",
            "assumed_lifetime": "15m",
            "assertion": {"algorithm": "RS256", "audience": "https://login.salesforce.com"},
        },
        grants=("client_credentials", "jwt_bearer"),
        checked=(
            Page(
                "Connect to Connect REST API Using OAuth",
                "https://developer.salesforce.com/docs/atlas.en-us.chatterapi.meta/chatterapi/quickstart_connecting.htm",
            ),
            Page(
                "OAuth 2.0 JWT Bearer Flow for Server-to-Server Integration",
                "https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_jwt_flow.htm&type=5",
            ),
            Page(
                "ProfileSessionSetting (sessionTimeout), and Error Handling for Session Expiration",
                "https://developer.salesforce.com/docs/platform/api-metadata/guide/meta-error-handling-session-exp.html",
            ),
            Page(
                "lib/util/getJwtAudienceUrl of @salesforce/core",
                "https://github.com/forcedotcom/sfdx-core",
            ),
        ),
        how="documentation in part, and Salesforce's own library",
        notes="""\
Answers tell no lifetime: a token lives as long as a session may, which is 2 h unless the organization changed it.
It is reckoned with 15 minutes, the least that can be set: say in assumed_lifetime what yours is.
For jwt_bearer: client_auth = "none" at the credential, and claims = { sub = "user@example.com" } in assertion.
For jwt_bearer in a sandbox: audience = "https://test.salesforce.com" in assertion.
""",
    ),
    "zitadel": Preset(
        title="ZITADEL",
        what="service users",
        variables={"domain": Variable(HOST, "custom domain of the instance", "example.zitadel.cloud")},
        keys={
            "token_url": "https://{domain}/oauth/v2/token",
            "issuer": "https://{domain}",
            "client_auth": "client_secret_basic",
            "scope": "openid",
        },
        grants=("client_credentials", "jwt_bearer"),
        checked=(
            Page(
                "Configure client credential authentication for service users",
                "https://zitadel.com/docs/guides/integrate/service-users/client-credentials",
            ),
            Page(
                "Configure private key JWT authentication for service users",
                "https://zitadel.com/docs/guides/integrate/service-users/private-key-jwt",
            ),
        ),
        notes="""\
scope must hold openid; for ZITADEL's own APIs add urn:zitadel:iam:org:project:id:zitadel:aud. Tokens live 12 h.
For jwt_bearer: client_auth = "none" at the credential, and assertion.key_id is keyId of the key file.
""",
    ),
    "ping": Preset(
        title="PingOne",
        what="worker applications and resources of an environment",
        variables={
            "environment": Variable(SEGMENT, "id of the environment", "abfba8f6-49eb-49f5-a5d9-80ad5c98f9f6"),
            "region": Variable(PING_REGION, "end of the region's domain", "eu", default="com"),
        },
        keys={
            "token_url": "https://auth.pingone.{region}/{environment}/as/token",
            "client_auth": "client_secret_basic",
        },
        grants=("client_credentials",),
        checked=(
            Page(
                "Step 3: Get a token",
                f"{_PING}/workflow-library/application-management/configure-a-non-interactive-worker-application/"
                "step-3-get-a-token.html",
            ),
            Page(
                "Using the PingOne Postman environment",
                f"{_PING}/workflow-library/using-postman-workflow-collections/"
                "using-the-pingone-postman-environment.html",
            ),
            Page(
                "Token endpoint authentication methods",
                "https://docs.pingidentity.com/pingone/applications/p1_token_endpoint_authentication_methods.html",
            ),
        ),
        notes="""\
client_auth is what the application has as its token endpoint authentication method. Tokens live 1 h.
""",
    ),
    "authentik": Preset(
        title="authentik",
        what="OAuth2 providers of an instance",
        variables={"domain": Variable(HOST, "host of the instance", "authentik.example.com")},
        keys={
            "token_url": "https://{domain}/application/o/token/",
            "authorization_url": "https://{domain}/application/o/authorize/",
            "device_authorization_url": "https://{domain}/application/o/device/",
            "introspection_url": "https://{domain}/application/o/introspect/",
            "revocation_url": "https://{domain}/application/o/revoke/",
            "client_auth": "client_secret_post",
        },
        grants=("client_credentials", "authorization_code", "device_code"),
        checked=(
            Page(
                "Machine-to-Machine (M2M) authentication",
                "https://docs.goauthentik.io/add-secure-apps/providers/oauth2/machine_to_machine/",
            ),
            Page("OAuth 2.0 provider", "https://docs.goauthentik.io/add-secure-apps/providers/oauth2/"),
        ),
        notes="""\
client_secret is that of the provider, or base64 of user name, colon and app password.
For authorization_code and device_code: the scope offline_access brings the refresh token.
""",
    ),
    "ory-hydra": Preset(
        title="Ory Hydra and Ory Network",
        what="OAuth2 clients of a server or project",
        variables={"domain": Variable(HOST, "host of the public endpoints", "example.projects.oryapis.com")},
        keys={
            "token_url": "https://{domain}/oauth2/token",
            "issuer": "https://{domain}",
            "client_auth": "client_secret_basic",
            "assertion": {"audience": "https://{domain}/oauth2/token"},
        },
        grants=("client_credentials", "authorization_code"),
        checked=(
            Page("OAuth2 client credentials flow", "https://www.ory.sh/docs/oauth2-oidc/client-credentials"),
            Page(
                "OAuth2.0 & OpenID Connect well-known endpoint discovery",
                "https://www.ory.sh/docs/oauth2-oidc/wellknown-endpoint-discovery",
            ),
        ),
        notes="""\
A server of one's own is its issuer as urls.self.issuer has it: write issuer where that is not https://HOST.
""",
    ),
}
"""By the name that the configuration uses."""

VARIABLES = tuple(sorted({name for preset in PRESETS.values() for name in preset.variables}))
"""Keys of a provider that mean something to its preset only."""
