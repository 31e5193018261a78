"""Every status and every odd body that Vault, or something in its place, may answer with."""

from __future__ import annotations

import json

import pytest

from rotator.core.errors import Code, RotationError
from rotator.vault import answers
from rotator.vault.answers import Answer


def answer(status: int, body: object = None, **headers: str) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, headers, raw)


def errors(text: str) -> dict[str, list[str]]:
    return {"errors": [text]}


def refusal(given: Answer) -> RotationError:
    with pytest.raises(RotationError) as caught:
        answers.read("GET secret/data/x", given)
    return caught.value


REFUSALS = [
    pytest.param(
        400,
        errors("check-and-set parameter did not match the current version"),
        answers.CasMismatchError,
        Code.SINK_CONFLICT,
        id="V20 check-and-set",
    ),
    pytest.param(
        400,
        errors("metadata check-and-set parameter does not match the current version"),
        answers.CasMismatchError,
        Code.SINK_CONFLICT,
        id="V20 metadata check-and-set",
    ),
    pytest.param(
        400,
        errors("check-and-set parameter required for this call"),
        RotationError,
        Code.VAULT_REFUSED,
        id="V21 check-and-set required",
    ),
    pytest.param(
        400, errors("missing client token"), answers.ForbiddenError, Code.VAULT_DENIED, id="400 without a token"
    ),
    pytest.param(403, errors("permission denied"), answers.ForbiddenError, Code.VAULT_DENIED, id="V09 V10 403"),
    pytest.param(404, {"errors": []}, answers.NotFoundError, Code.SECRET_MISSING, id="V16 404"),
    pytest.param(405, errors("unsupported operation"), RotationError, Code.VAULT_REFUSED, id="405"),
    pytest.param(
        412, errors("required index state not present"), answers.DoubtError, Code.VAULT_UNAVAILABLE, id="V08 412"
    ),
    pytest.param(472, None, answers.DownError, Code.VAULT_UNAVAILABLE, id="V08 472"),
    pytest.param(473, None, answers.DownError, Code.VAULT_UNAVAILABLE, id="V08 473"),
    pytest.param(429, errors("rate limit quota exceeded"), RotationError, Code.VAULT_THROTTLED, id="V07 429"),
    pytest.param(
        500,
        errors("local node not active but active cluster node not found"),
        answers.DoubtError,
        Code.VAULT_UNAVAILABLE,
        id="V06 500",
    ),
    pytest.param(
        500, errors("write: no space left on device"), answers.DoubtError, Code.VAULT_UNAVAILABLE, id="V27 disk full"
    ),
    pytest.param(501, errors("server is not initialized"), answers.DownError, Code.VAULT_UNAVAILABLE, id="V03 501"),
    pytest.param(502, b"<html>Bad Gateway</html>", answers.DownError, Code.VAULT_UNAVAILABLE, id="502 of a gateway"),
    pytest.param(503, errors("Vault is sealed"), answers.DownError, Code.VAULT_UNAVAILABLE, id="V01 sealed"),
    pytest.param(
        503,
        errors("API access to this namespace has been locked"),
        answers.DownError,
        Code.VAULT_UNAVAILABLE,
        id="V03 namespace locked",
    ),
    pytest.param(504, b"", answers.DownError, Code.VAULT_UNAVAILABLE, id="504 of a gateway"),
    pytest.param(301, b"", RotationError, Code.VAULT_REDIRECTED, id="301"),
    pytest.param(302, b"", RotationError, Code.VAULT_REDIRECTED, id="V05 302"),
    pytest.param(308, b"", RotationError, Code.VAULT_REDIRECTED, id="308"),
    pytest.param(600, b"", RotationError, Code.VAULT_MALFORMED, id="no status of HTTP"),
    pytest.param(200, b"<html>Welcome</html>", RotationError, Code.VAULT_MALFORMED, id="V16 HTML 200"),
    pytest.param(200, [], RotationError, Code.VAULT_MALFORMED, id="V16 a list"),
    pytest.param(200, b"", RotationError, Code.VAULT_MALFORMED, id="an empty 200"),
    pytest.param(200, b"[" * 100_000, RotationError, Code.VAULT_MALFORMED, id="deep nesting"),
    pytest.param(200, b'{"data": "\xff"}', RotationError, Code.VAULT_MALFORMED, id="no UTF-8"),
    pytest.param(500, [], answers.DoubtError, Code.VAULT_UNAVAILABLE, id="V17 error body is a list"),
    pytest.param(503, {"errors": [None]}, answers.DownError, Code.VAULT_UNAVAILABLE, id="V17 errors holds null"),
    pytest.param(403, {"errors": {"a": 1}}, answers.ForbiddenError, Code.VAULT_DENIED, id="V17 errors is a map"),
    pytest.param(404, {"data": None}, answers.NotFoundError, Code.SECRET_MISSING, id="404 with data null"),
    pytest.param(404, errors("namespace not found"), RotationError, Code.VAULT_REFUSED, id="no such namespace"),
    pytest.param(
        500,
        errors("failed to verify client's certificate: x509: certificate has expired or is not yet valid"),
        RotationError,
        Code.VAULT_REFUSED,
        id="V13 an expired client certificate",
    ),
    pytest.param(
        400,
        errors('error validating token: error verifying token signature: fetching keys oidc: Get "http://x"'),
        RotationError,
        Code.VAULT_UNAVAILABLE,
        id="an issuer of JWTs that is away",
    ),
]


@pytest.mark.parametrize(("status", "body", "kind", "code"), REFUSALS)
def test_each_refusal_has_one_kind_and_one_code(
    status: int, body: object, kind: type[RotationError], code: Code
) -> None:
    error = refusal(answer(status, body))
    assert (type(error), error.code) == (kind, code)


def test_an_error_names_the_request_and_says_in_our_words_what_vault_said() -> None:
    error = refusal(answer(503, errors("Vault is sealed")))
    assert error.detail == "GET secret/data/x was answered 503: it is sealed"


@pytest.mark.parametrize("status", [200, 302, 400, 403, 404, 429, 500, 503, 600])
def test_the_text_of_an_answer_is_never_passed_on(status: int) -> None:
    error = refusal(answer(status, b'{"errors": ["s.leaked"], "s.leaked": ' if status == 200 else errors("s.leaked")))
    assert "leaked" not in str(error)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("-5", 0.0), ("1e9", 300.0), ("soon", 1.0), ("", 1.0), ("nan", 1.0), ("inf", 1.0)],
)
def test_v07_a_retry_after_is_clamped_and_never_raises(header: str, seconds: float) -> None:
    assert refusal(answer(429, errors("quota"), **{"Retry-After": header})).retry_after == seconds


def test_v07_a_429_without_retry_after_asks_for_a_second() -> None:
    assert refusal(answer(429, errors("quota"))).retry_after == 1.0


def test_an_answer_without_content_is_an_empty_document() -> None:
    assert answers.read("POST secret/metadata/x", answer(204, b"")) == {}


def test_a_404_that_tells_of_a_deleted_version_is_returned() -> None:
    deleted = {"data": {"data": None, "metadata": {"version": 3}}}
    assert answers.read("GET secret/data/x", answer(404, deleted)) == deleted
