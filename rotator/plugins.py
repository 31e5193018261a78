"""What authors of plugins import: everything else in rotator may change without notice.

A plugin is a Python package with an entry point for each kind that it adds, in the groups `rotator.sinks`,
`rotator.sources`, `rotator.grants` and `rotator.client_auth`. The entry point's name is what the configuration says
(`type = "sqlite"`, `grant = "password"`); what it names is a `Plugin`. A package is imported only if the configuration
names one of its kinds. docs/howto/plugins.md has a whole one.

What a plugin keeps to, beyond the contracts in the docstrings of `Sink` and `Source`, which `rotator.contract` checks:

* It asks `Site.clock` for the time and nothing else.
* It does not block the event loop, which everything else runs on: what may block goes through `Site.in_thread`.
* It raises `RotationError` and nothing else, its text without a secret and without the text of a foreign exception;
  raised outside of the `except` block where that exception may hold one, since it is carried along. For the server
  that it talks to: PLUGIN_UNAVAILABLE where another try makes sense, PLUGIN_REFUSED where a person has to do something;
  SINK_FOREIGN for what it would have to write over, SECRET_MISSING and SECRET_MALFORMED in sources and grants.
* It shows no secret in a repr, a log line, the arguments or the environment of a process, or a temporary file.
* It lets itself be cancelled at any await, and leaves nothing half done then.

A call that has not ended after the kind's deadline is cancelled, and fails with PLUGIN_TIMEOUT. Any other exception,
and a result of the wrong type, is PLUGIN_FAILED. Both touch the credential alone for which it was called.

`API` counts versions. It goes up when plugins would have to change; what is added does not raise it. This is 1.
"""

from rotator.core.document import CLIENT_ID, CLIENT_SECRET, Found, Wanted, credentials, with_digest
from rotator.core.errors import Code, RotationError
from rotator.core.model import ClientCredentials, Grant, Moment, Secret, TokenRecord, fingerprint, rfc3339
from rotator.core.ports import Clock, Sink, Source
from rotator.oauth.answer import Answer, Expectations
from rotator.oauth.client_auth import ClientAuth, ClientAuthSettings, Form, Proof
from rotator.oauth.grants import GrantKind, GrantParameters
from rotator.oauth.request import TokenRequest
from rotator.plugged.api import API, Plugin, SinkKind, SourceKind
from rotator.plugged.site import Site
from rotator.settings.places import AbsolutePath, UrlText
from rotator.settings.types import Choice, Count, FieldName, PlainText, Seconds, Section, Text, refuse
from rotator.wire.session import read_body

__all__ = [
    "API",
    "CLIENT_ID",
    "CLIENT_SECRET",
    "AbsolutePath",
    "Answer",
    "Choice",
    "ClientAuth",
    "ClientAuthSettings",
    "ClientCredentials",
    "Clock",
    "Code",
    "Count",
    "Expectations",
    "FieldName",
    "Form",
    "Found",
    "Grant",
    "GrantKind",
    "GrantParameters",
    "Moment",
    "PlainText",
    "Plugin",
    "Proof",
    "RotationError",
    "Seconds",
    "Secret",
    "Section",
    "Sink",
    "SinkKind",
    "Site",
    "Source",
    "SourceKind",
    "Text",
    "TokenRecord",
    "TokenRequest",
    "UrlText",
    "Wanted",
    "credentials",
    "fingerprint",
    "read_body",
    "refuse",
    "rfc3339",
    "with_digest",
]
