"""What must hold whatever comes: one function for each thing that reads what strangers, or people in a hurry, wrote.

Each raises AssertionError for what must not be, and lets every exception through that is no typed refusal: both are
findings. Canaries are the secrets that an input may hold; a refusal tells nothing of them.
"""

from __future__ import annotations

import re
from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote_plus

from pydantic_core import PydanticCustomError
from yarl import URL

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret, TokenRecord, fingerprint
from rotator.files.formats import FORMATS, is_ours
from rotator.files.language import TemplateError
from rotator.files.place import locate, taken
from rotator.files.template import LARGEST_RESULT, Template
from rotator.oauth.answer import LONGEST_TOKEN, Answer, Expectations, read_answer
from rotator.oauth.grants import GrantParameters
from rotator.oauth.retry_after import LONGEST, retry_after
from rotator.operate.redaction import CUT, redact_text
from rotator.settings.types import REFUSED, Count, NetworkText, Rate, Seconds, Share, spell
from rotator.testing import EPOCH, FakeClock
from rotator.vault import answers
from rotator.vault.mounts import check_path
from rotator.vault.records import restore
from tests.integration.files.harness import layout
from tests.support.canary import Searcher, canary, thorny
from tests.support.requests import built

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SECRET = canary("the client secret")
THORNY = thorny("the client secret")
PASSPHRASE = canary("the passphrase", "abcdefghijklmnopqrstuvwxyz_")
"""As some people choose secrets, and as error codes look."""
SEARCHER = Searcher({"the secret": SECRET, "the thorny secret": THORNY, "the passphrase": PASSPHRASE})
WHERE = "the token endpoint https://auth.example.com/token"
NOW = FakeClock().now()
EXPECTATIONS = tuple(
    Expectations(scope, assumed, 86400.0, lenient, lenient)
    for scope in ("", "openid admin")
    for assumed in (None, 300.0)
    for lenient in (False, True)
)
GRANTED = "granted"


def clean(error: BaseException, *, whole: bool) -> None:
    """Nothing of a canary is in what a refusal says; `whole` also looks at what is printed of it, which takes time."""
    assert not SEARCHER.look(f"{error}{error!r}{error.args!r}{vars(error)!r}{error.__context__!r}", "a refusal")
    assert not (whole and SEARCHER.look_at_error(error, "a refusal"))


def _refused(error: RotationError, *, begins: str, whole: bool) -> str:
    clean(error, whole=whole)
    assert error.detail.startswith(begins)
    assert error.code is not Code.INTERNAL
    return error.code.text


def answer(status: int, body: bytes, expected: Expectations, *, whole: bool = True) -> str:
    """The reader of token answers; the code of its refusal, or `GRANTED`."""
    try:
        grant = read_answer(Answer(status, body, WHERE), expected, NOW)
    except RotationError as error:
        return _refused(error, begins=WHERE, whole=whole)
    token = grant.access_token.reveal()
    assert status == 200
    assert re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", token)
    assert len(token) <= LONGEST_TOKEN
    assert 0 < grant.lifetime <= expected.max_lifetime
    assert re.fullmatch(r"[ -~]*", grant.scope)
    # The same whichever token it is; and a scope that was granted, not asked for, does not repeat it.
    assert repr(grant) == repr(replace(grant, access_token=Secret("another")))
    assert token not in grant.scope.split() or grant.scope == expected.scope
    return GRANTED


def wait(header: str) -> None:
    """Retry-After, of providers and of Vault."""
    seconds = retry_after(header, NOW.wall)
    assert seconds is None or 0 <= seconds <= LONGEST
    assert 0 <= answers.retry_after(header) <= answers.MAX_RETRY_AFTER


def vault_answer(status: int, body: bytes, headers: Mapping[str, str], *, whole: bool = True) -> str:
    """The reader of Vault's answers."""
    try:
        document = answers.read("GET secret/data/billing", answers.Answer(status, headers, body))
    except RotationError as error:
        return _refused(error, begins="GET secret/data/billing", whole=whole)
    assert isinstance(document, dict)
    return "a document"


def request(client_id: str, secret: str, encoding: str, method: str) -> None:
    """What is sent to a provider says the id and the secret, and nothing that nobody asked for."""
    try:
        sent = built(GrantParameters(scope="a b"), method, encoding, client_id, Secret(secret))  # type: ignore[arg-type]  # one of two words
    except RotationError as error:
        assert _refused(error, begins="the client id", whole=True) == Code.SECRET_MALFORMED.text  # noqa: PT017  a check, no test
        return
    assert secret not in repr(sent) or len(secret) < 8
    assert all("\r" not in text and "\n" not in text for text in sent.headers.values())
    form = dict(parse_qsl(sent.body.decode(), keep_blank_values=True))
    assert (form["grant_type"], form["scope"]) == ("client_credentials", "a b")
    if method == "client_secret_post":
        assert (form["client_id"], form["client_secret"], len(form)) == (client_id, secret, 4)
    elif encoding == "rfc6749":
        pair = _unbase64(sent.headers["Authorization"].removeprefix("Basic ")).partition(":")
        assert (unquote_plus(pair[0]), unquote_plus(pair[2])) == (client_id, secret)


def _unbase64(text: str) -> str:
    return b64decode(text, validate=True).decode()


LONG, SHORT = Seconds(1.0, 86400.0), Seconds(0.001, 60.0)
VALUES: tuple[tuple[Any, Callable[[Any], bool]], ...] = (
    (LONG, lambda found: 1 <= found <= 86400 and abs(LONG.read(spell(found)) - found) < 0.001),
    (SHORT, lambda found: 0.001 <= found <= 60 and abs(SHORT.read(spell(found)) - found) < 0.001),
    (Rate, lambda found: 1 <= found.count <= 999_999 and found.period in {1, 60, 3600}),
    (Count(1, 10_000), lambda found: type(found) is int and 1 <= found <= 10_000),
    (Share(), lambda found: 0 < found < 1),
    (NetworkText(), lambda found: NetworkText().read(found) == found),
)
"""What reads a value, and what must hold for what it has read."""


def setting(value: object) -> None:
    """Durations, rates, sizes, shares and networks of the configuration: read within bounds, or refused unrepeated."""
    for kind, within in VALUES:
        try:
            found = kind.read(value)
        except PydanticCustomError as error:
            # What is behind it stays inside pydantic, and `load` lets nothing of that out.
            assert not SEARCHER.look(f"{error}{error!r}{error.context!r}", "a refusal")  # noqa: PT017  a check, no test
            assert error.type == REFUSED  # noqa: PT017  as above
            continue
        assert within(found)


def kv_path(path: str) -> None:
    """A path that is taken means the same to the configuration, to us and to Vault's router (G08)."""
    try:
        taken = check_path(path)
    except ValueError:
        return
    assert taken == path
    url = URL(f"https://vault.example.com/v1/{quote(taken)}", encoded=True)
    assert (url.path, url.raw_query_string, url.fragment) == (f"/v1/{path}", "", "")
    assert url.join(URL(url.raw_path, encoded=True)) == url
    assert not {"", ".", ".."} & set(path.split("/"))


def record(fields: Mapping[str, object]) -> None:
    """A record is read whole or not at all, and never shows its token."""
    found = TokenRecord.parse(fields)
    assert restore(fields, {"access_token": "access_token"}) == found
    if found is None:
        return
    token = found.access_token.reveal()
    assert found.fingerprint == fingerprint(found.access_token)
    assert found.issued_at < found.expires_at
    assert TokenRecord.parse(found.fields()) == found or found.issued_at.microsecond or found.expires_at.microsecond
    assert len(token) < 8 or token not in f"{found!r}{found.metadata()}" or token in str({**fields, "access_token": ""})


def file_content(content: bytes, credential: str) -> None:
    """Whatever is found in a file: it is a record, a token or nothing; a token found is what was rendered."""
    for kind, row in FORMATS.items():
        found = row.extract(content, layout(kind, credential))
        if isinstance(found, Secret):
            again = row.render(record_of(found.reveal()), layout(kind, credential))
            assert row.extract(again, layout(kind, credential)) == found
            assert again == content or b"='" in content or kind in MAY_BE_SPACED
        is_ours(content, layout(kind, credential))


MAY_BE_SPACED = {"kubectl-exec", "dockerconfigjson"}
"""Documents, which are read also when they are written otherwise; such a file is then written anew."""


def template(source: str, token: str, scope: str) -> str:
    """A template is refused, or what it makes is text of bounded size that it knows again, with no object's innards."""
    try:
        made = Template(f"made by a test {source}", "/etc/rotator/fuzz.j2")
    except TemplateError as error:
        assert error.found, error.cure  # noqa: PT017  a check, no test
        return "refused"
    variables = {**record_of(token).fields(), "scope": scope, "refresh_after": "", "credential": "billing"}
    try:
        content = made.render(variables)
    except RotationError as error:
        assert error.code is Code.FILE_TEMPLATE  # noqa: PT017  likewise
        return error.code.text
    assert len(content.decode()) <= LARGEST_RESULT
    assert made.resembles(content)
    assert not re.search(rb"object at 0x|<(?:built-in|class|function|bound|module) ", content) or "<" in source + scope
    place = locate(content, Secret(token))
    assert place is None or taken(content, place) == Secret(token)
    return "made"


def _mark(token: str) -> str:
    return fingerprint(Secret(token)) if token.isascii() else "0" * 12


def record_of(token: str) -> TokenRecord:
    """A record of this token."""
    return TokenRecord(Secret(token), EPOCH, EPOCH + timedelta(seconds=600), 600, "openid", _mark(token), "inputs")


def redaction(text: str) -> None:
    """Cutting out secrets never fails, is done after once, and makes no text much longer."""
    once = redact_text(text)
    assert redact_text(once) == once
    assert len(once) <= len(text) + len(CUT) * (1 + once.count(CUT))
