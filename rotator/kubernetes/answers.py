"""What an answer of a Kubernetes API server means. No I/O: a status and a body go in; an object or an error comes out.

Failures come as a `Status` object; its texts are matched and never passed on: they repeat what was sent, and a proxy
that answers in the server's place may put anything there. Names of field managers are shown as far as they are plain.
See https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/.
"""
# ruff: noqa: PLR2004  HTTP status codes speak for themselves

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from rotator.core.errors import Code, RotationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Document: TypeAlias = dict[str, Any]
"""A JSON object as the API server answers it; what is inside is checked by whoever reads it."""

MAX_RETRY_AFTER = 300.0
"""Seconds: the server asks for one or a few (API Priority and Fairness); tokens have to live on."""

UNAUTHORIZED, TOO_MANY_REQUESTS = 401, 429

_MANAGER = re.compile(r'conflict with "([A-Za-z0-9][A-Za-z0-9 ._:/@+-]{0,127})"')
"""Names a field manager in the message of a cause; the server takes up to 128 printable characters for one."""


class AbsentError(RotationError):
    """There is no such Secret; whether its namespace is there, the answer does not tell."""


class StaleError(RotationError):
    """The resourceVersion is not the current one: somebody else wrote meanwhile."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, whole, its body not yet trusted."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, for messages.

    Attributes:
        request: `GET secret NAMESPACE/NAME of SERVER`, without anything secret.
        role: The rule of the Role that allows all that a sink asks for.
    """

    request: str
    role: str


_DENIED = (
    ("exceeded quota", "a ResourceQuota of the namespace is used up"),
    ("admission webhook", "an admission webhook denied it"),
    ("validatingadmissionpolicy", "a ValidatingAdmissionPolicy denied it"),
)
"""Phrases of admission control, which also answers 403 at times, and what they mean in our words."""

_REFUSED = (
    *_DENIED,
    ("field is immutable when `immutable` is set", "the Secret is immutable, and its values never change again"),
    ("too long", "it holds more than a Secret may"),
)
_DOWN = {
    408: "it waited for the request in vain",
    500: "it failed inside, or its etcd does not answer",
    502: "a gateway could not reach it",
    503: "it is not ready, or overloaded",
    504: "it did not finish in time",
}
_WRONG = {
    405: "it takes no such request",
    406: "it does not answer in JSON",
    413: "it finds the request too large",
    415: "it does not know server-side apply, which Kubernetes has by default since 1.18",
}


def read(asked: Asked, answer: Answer) -> Document:
    """The object in an answer.

    Args:
        asked: For messages.
        answer: What came back.

    Raises:
        AbsentError: 404 for the Secret itself.
        StaleError: 409 because of resourceVersion, or because somebody made or removed the Secret at the same moment.
        RotationError: SINK_CONFLICT when other field managers hold what was to be applied; KUBERNETES_*.
    """
    if answer.status in {200, 201}:
        document = _parse(answer.body)
        if document is None or document.get("kind") != "Secret":
            raise malformed(f"{asked.request} was answered {answer.status} with {_kind(answer.body)}, wanted a Secret")
        return document
    raise _error(asked, answer)


def malformed(detail: str) -> RotationError:
    """What is raised for an answer that breaks the API."""
    return RotationError(Code.KUBERNETES_MALFORMED, detail)


def _error(asked: Asked, answer: Answer) -> RotationError:
    told = f"{asked.request} was answered {answer.status}"
    status = _parse(answer.body) or {}
    if status.get("kind") != "Status":
        status = {}
    code = answer.status
    if code == UNAUTHORIZED:
        return RotationError(Code.KUBERNETES_LOGIN_REFUSED, f"{told}: it does not know the bearer token")
    if code == TOO_MANY_REQUESTS:
        wait = retry_after(answer)
        return RotationError(Code.KUBERNETES_THROTTLED, f"{told}: it asks to wait {wait:g} s", retry_after=wait)
    if code in _DOWN:
        return RotationError(Code.KUBERNETES_UNAVAILABLE, f"{told}: {_DOWN[code]}")
    if 300 <= code < 400:
        return malformed(f"{told}, a redirect, which is not followed: the bearer token stays with that server")
    if not status:
        return malformed(f"{told} with {_kind(answer.body)}, wanted a Status object of the Kubernetes API")
    return _refusal(asked, told, code, status)


def _refusal(asked: Asked, told: str, code: int, status: Document) -> RotationError:
    """What a `Status` object with a 4xx says."""
    text = _text(status.get("message")).lower()
    causes = list(_causes(status))
    phrase = next((meaning for known, meaning in _REFUSED if known in text), "")
    if code == 404:
        return _missing(told, status)
    if any(cause.get("reason") == "NamespaceTerminating" for cause in causes):
        return RotationError(Code.KUBERNETES_NAMESPACE_MISSING, f"{told}: the namespace is being deleted")
    if code == 403 and phrase not in {meaning for _, meaning in _DENIED}:
        return RotationError(
            Code.KUBERNETES_DENIED, f"{told}: its service account may not. A Role needs the rule {asked.role}"
        )
    if code == 409:
        return _conflict(told, causes)
    because = phrase or _WRONG.get(code, "it finds the request itself wrong")
    return RotationError(Code.KUBERNETES_REFUSED, f"{told}: {because}")


def _missing(told: str, status: Document) -> RotationError:
    details = status.get("details")
    what = details.get("kind") if isinstance(details, dict) else None
    if what == "namespaces":
        return RotationError(Code.KUBERNETES_NAMESPACE_MISSING, f"{told}: there is no such namespace")
    if what == "secrets":
        return AbsentError(Code.SINK_CONFLICT, f"{told}: there is no such Secret")
    return malformed(f"{told}: it serves no Secrets at this address")


def _conflict(told: str, causes: list[Document]) -> RotationError:
    held = [cause for cause in causes if cause.get("reason") == "FieldManagerConflict"]
    if not held:
        return StaleError(Code.SINK_CONFLICT, f"{told}: somebody else wrote at the same moment")
    managers = sorted({_manager(_text(cause.get("message"))) for cause in held})
    paths = sorted({path for cause in held if (path := _plain(_text(cause.get("field"))))})
    return RotationError(
        Code.SINK_CONFLICT,
        f"{told}: {', '.join(paths) or 'a field'} was last set by {', '.join(managers)}, and rotator takes nothing "
        "away from others. Let that one give it up, or delete the Secret and let rotator make it anew",
    )


def _manager(message: str) -> str:
    match = _MANAGER.search(message)
    return f"the field manager {match[1]}" if match else "another field manager"


def _plain(path: str) -> str:
    """A path in an object, as far as it is plain: `.data.access_token`."""
    return path if re.fullmatch(r"\.[A-Za-z0-9._/-]{1,160}", path) else ""


def retry_after(answer: Answer) -> float:
    """Seconds that Retry-After asks for, from 1 to `MAX_RETRY_AFTER`; 1 when it says nothing usable.

    The API server sends whole seconds.
    """
    text = answer.headers.get("Retry-After", "").strip()
    seconds = float(text) if text.isascii() and text.isdigit() else 1.0
    return min(max(seconds, 1.0), MAX_RETRY_AFTER)


def _causes(status: Document) -> Iterator[Document]:
    details = status.get("details")
    causes = details.get("causes") if isinstance(details, dict) else None
    yield from (cause for cause in (causes if isinstance(causes, list) else ()) if isinstance(cause, dict))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _parse(body: bytes) -> Document | None:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def _kind(body: bytes) -> str:
    """What a body is, without quoting it."""
    start = body.lstrip()[:1]
    if not start:
        return "nothing"
    return {b"<": "HTML", b"[": "a list", b"{": "another JSON object"}.get(start, "something else than JSON")
