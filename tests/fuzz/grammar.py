"""Token answers as no server should give them: a good one, changed by chance in its values, its keys and its bytes."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING

from rotator.oauth.refusal import OAUTH_ERRORS

if TYPE_CHECKING:
    from random import Random

KEYS = (
    "access_token", "token_type", "expires_in", "scope", "error", "error_description", "error_uri", "refresh_token",
    "id_token", "x", "",
)  # fmt: skip

ERRORS = (*OAUTH_ERRORS, "use_dpop_nonce", "nonsense")

STATUSES = (
    *[200] * 20,
    *(400, 400, 401, 403, 408, 418, 425, 429, 500, 503, 204, 206, 301, 302, 304, 307, 999, 0),
)


def jwt(claims: object) -> str:
    """An unsigned token with these claims."""
    parts = ({"alg": "RS256"}, claims)
    head, body = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return f"{head}.{body}.c2ln"


CLAIMS: tuple[object, ...] = (
    {"iat": 1, "exp": 601}, {"iat": "1", "exp": 2}, {"exp": 1}, {"iat": 2, "exp": 1}, {"iat": -1e308, "exp": 1e308},
    {"iat": None, "exp": True}, [], "exp", {"iat": 1, "exp": 10**30}, {"iat": float("nan"), "exp": 1},
)  # fmt: skip

NUMBERS = (
    "0", "-1", "-0", "0.5", "1", "30", "600", "600.9", "1e3", "1e999", "-1e999", "1E-400", "NaN", "Infinity",
    "-Infinity", "01", "1.", ".5", "--1", "9" * 19, "9" * 400, "9" * 5000,
)  # fmt: skip

TEXTS = (
    "", "600", "600.0", " 600", "6e2", "+600", "\uff16\uff10\uff10", "1_000", "9" * 400, "abc", "\0", "\ud800",
    "a\r\nX-Evil: b",
    "a b", "Bearer", "bearer", "BEARER", "mac", "DPoP", "N_A", "openid admin", "openid", "a.b.c", "=", "a=b", "\u00e9",
    *ERRORS, *(jwt(claims) for claims in CLAIMS),
)  # fmt: skip

VALUES = (
    *("null", "true", "false", "{}", "[]", "[600]", '"\\x"', "'a'", "undefined"),
    *NUMBERS,
    *(json.dumps(text) for text in TEXTS),
)
LARGE_VALUES = (f'"{"a" * 65537}"', "[" * 50_000, '{"a":' * 3_000)

GOOD = {
    "access_token": '"a.b.c"',
    "token_type": '"Bearer"',
    "expires_in": "600",
    "scope": '"openid admin"',
}


def value(chance: Random, secret: str) -> str:
    """A value in JSON, or what is none; now and then the secret, alone or in company."""
    if chance.random() < 0.25:
        told = secret[: chance.randint(24, len(secret))] if chance.random() < 0.3 else secret
        return chance.choice(
            (
                json.dumps(told),
                json.dumps(f"x {told} y"),
                json.dumps([told]),
                json.dumps({told: told}),
                told,
                f'"{told}',
            )
        )
    return chance.choice(VALUES if chance.random() < 0.99 else LARGE_VALUES)


def body(chance: Random, secret: str) -> bytes:
    """The body of an answer that knows the secret."""
    pairs = list(GOOD.items())
    for _ in range(chance.choice((0, 1, 1, 1, 2, 2, 3, 5))):
        _change(pairs, chance, secret)
    space = chance.choice(("", "", " ", "\n\t", "\r\n"))
    text = "{" + f",{space}".join(f"{json.dumps(key)}:{space}{said}" for key, said in pairs) + "}"
    return _damage(text, chance, secret)


def _change(pairs: list[tuple[str, str]], chance: Random, secret: str) -> None:
    key = chance.choice(KEYS) if chance.random() < 0.97 else secret
    place = chance.randrange(len(pairs) + 1)
    if place < len(pairs) and chance.random() < 0.6:
        pairs[place] = (pairs[place][0], value(chance, secret))
    elif place < len(pairs) and chance.random() < 0.3:
        del pairs[place]
    else:
        told = json.dumps(chance.choice(ERRORS)) if key == "error" and chance.random() < 0.7 else value(chance, secret)
        pairs.insert(place, (key, told))


def _damage(text: str, chance: Random, secret: str) -> bytes:
    raw = text.encode(errors="surrogatepass")
    if chance.random() < 0.75:
        return raw
    place, told = chance.randrange(len(raw)), secret.encode()
    return chance.choice(
        (
            raw[:place],
            raw[:place] + bytes([chance.randrange(256)]) + raw[place + 1 :],
            text.encode("utf-16", errors="surrogatepass"),
            b"\xef\xbb\xbf" + raw,
            raw + told,
            b"<html><body>" + told + b"</body></html>",
            told + b"\xff",
            chance.randbytes(chance.randrange(60)),
            b"access_token=" + told + b"&token_type=bearer&expires_in=600",
            b"[" + raw + b"]",
        )
    )
