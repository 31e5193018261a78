"""A second authorization server: Django with django-oauth-toolkit, a program of its own.

python server.py PORT

Control: one JSON object a line on standard input, one line back on standard output; it ends when its input does.
`{"client": {…}}` registers or replaces a client (see `register`); what cannot be done is answered `{"error": "why"}`.

Its settings are the documented ones, its pages and its answers its own. Three things are ours: who signs in is whoever
they say; a client may ask for the scope that it was registered with; and its access tokens live as long as was said.
"""

from __future__ import annotations

import json
import sys
import threading
import uuid
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import django
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.core.management import call_command

if TYPE_CHECKING:
    from collections.abc import Callable

HOST = "127.0.0.1"
PORT = int(sys.argv[1])
ISSUER = f"http://{HOST}:{PORT}"
SCOPES = {"openid": "who you are", "admin": "everything", "user": "your things"}
APPS = ("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "oauth2_provider")

GRANTS = {
    "authorization_code": "authorization-code",
    "client_credentials": "client-credentials",
    "urn:ietf:params:oauth:grant-type:device_code": "urn:ietf:params:oauth:grant-type:device_code",
}

alone = threading.Lock()
"""A database in memory that threads share knows no waiting: whoever comes second is refused. Here they wait."""

registered: dict[str, dict[str, Any]] = {}
"""What was asked for each client, by its id."""


def signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    kind, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, kind, plain).decode()


def lifetime(request: Any) -> int:
    """Seconds that an access token lives; oauthlib asks for each request."""
    seconds: int = registered[request.client.client_id]["lifetime"]
    return seconds


settings.configure(
    ALLOWED_HOSTS=[HOST],
    # In memory, and the same for every thread.
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file:second?mode=memory&cache=shared"}},
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    INSTALLED_APPS=APPS,
    LOGIN_URL="/sign-in/",
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
    # The tables are made at once, from the models.
    MIGRATION_MODULES=dict.fromkeys(app.rpartition(".")[2] for app in APPS),
    OAUTH2_PROVIDER={
        "ALLOWED_SCHEMES": ["http"],
        "ALLOW_LOCALHOST_LOOPBACK": True,
        "COMPLIANT_BCP_RFC9700_AUTHZ_RESPONSE_ISS": True,
        "COMPLIANT_BCP_RFC9700_PKCE_METHOD": True,
        "EXTRA_SERVER_KWARGS": {"token_expires_in": lifetime},
        "OAUTH_DEVICE_VERIFICATION_URI": f"{ISSUER}/device/",
        "OAUTH_DEVICE_VERIFICATION_URI_COMPLETE": lambda code: f"{ISSUER}/device/?user_code={code}",
        "OIDC_ENABLED": True,
        "OIDC_ISS_ENDPOINT": ISSUER,
        "OIDC_RSA_PRIVATE_KEY": signing_key(),
        "REFRESH_TOKEN_REUSE_PROTECTION": True,
        "SCOPES": SCOPES,
        "SCOPES_BACKEND_CLASS": "scopes.Registered",
    },
    # As Django's documentation advises for tests: the others are slow on purpose.
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    ROOT_URLCONF="pages",
    SECRET_KEY=uuid.uuid4().hex,
    STATIC_URL="/static/",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    USE_TZ=True,
)
django.setup()


def register(client: dict[str, Any]) -> None:
    """Register or replace a client.

    Args:
        client: `client_id`, `client_secret`, `method` (`none` for a public client), `scope`, `lifetime` in seconds,
            `grant` (one: this server has one per client, and gives refresh tokens with those of people), and
            `redirect_uris`.
    """
    from oauth2_provider.models import get_application_model

    model = get_application_model()
    made = model.objects.filter(client_id=client["client_id"]).first() or model(client_id=client["client_id"])
    made.client_secret = client["client_secret"]
    made.client_type = "public" if client["method"] == "none" else "confidential"
    made.authorization_grant_type = GRANTS[client["grant"]]
    made.redirect_uris = " ".join(client["redirect_uris"])
    made.algorithm = "RS256"
    made.full_clean()
    made.save()
    registered[client["client_id"]] = client


class Server(ThreadingMixIn, WSGIServer):
    """Browsers open connections that they send nothing on; one thread each keeps others from waiting for those."""

    daemon_threads = True


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  its name is the base class's
        """Nothing is said of each request."""


def one_at_a_time(app: Any) -> Callable[[dict[str, Any], Any], list[bytes]]:
    """A WSGI application whose requests wait for each other."""

    def answer(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        with alone:
            found = app(environ, start_response)
            try:
                return list(found)
            finally:
                found.close()

    return answer


def obey(line: str) -> dict[str, Any]:
    try:
        with alone:
            register(json.loads(line)["client"])
    except Exception as error:  # noqa: BLE001  whatever it is, the test is told
        return {"error": str(error)}
    return {"done": True}


def main() -> None:
    from django.core.wsgi import get_wsgi_application

    try:
        server = make_server(HOST, PORT, one_at_a_time(get_wsgi_application()), Server, Quiet)
    except OSError as error:
        sys.exit(f"EADDRINUSE: {error}")
    call_command("migrate", run_syncdb=True, verbosity=0)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(json.dumps({"port": PORT}), flush=True)  # noqa: T201  the control channel
    for line in sys.stdin:
        print(json.dumps(obey(line)), flush=True)  # noqa: T201  likewise


main()
