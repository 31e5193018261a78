"""Signatures that are taken and signatures that are not, by keys that a server publishes at a real socket."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from rotator.core.errors import RotationError
from rotator.oauth import discovery
from rotator.oauth.checks.keys import Keys
from rotator.oauth.checks.outages import Outages
from rotator.oauth.provider import Provider, ProviderSettings
from rotator.testing import FakeClock
from tests.support.http import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from joserfc.jwk import Key

RSA = RSAKey.generate_key(2048, {"kid": "rsa"})
EC = ECKey.generate_key("P-256", {"kid": "ec"})
ED = OKPKey.generate_key("Ed25519", {"kid": "ed"})
NEW = RSAKey.generate_key(2048, {"kid": "new"})


def part(said: object) -> str:
    return encoded(json.dumps(said).encode())


def encoded(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")


def signed(key: Key, algorithm: str, *, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token of a provider."""
    content = f"{part({'alg': algorithm, **(header or {})})}.{part(claims)}"
    return f"{content}.{encoded(JWSRegistry.algorithms[algorithm].sign(content.encode(), key))}"


BY_RSA = signed(RSA, "RS256", header={"kid": "rsa"}, sub="me")


class Publisher:
    """An authorization server that publishes keys.

    Attributes:
        keys: What we know of them.
        asked: How often it was asked for them.
    """

    def __init__(self) -> None:
        self.publish(RSA, EC, ED)
        self.status = 200
        self.asked = 0
        self.clock = FakeClock()
        self.keys: Keys

    def publish(self, *keys: Key, more: tuple[Any, ...] = ()) -> None:
        listed = KeySet(list(keys)).as_dict(private=False)["keys"] if keys else []
        self.document = json.dumps({"keys": [*listed, *more]})

    async def answer(self, _: web.Request) -> web.Response:
        self.asked += 1
        return web.Response(status=self.status, text=self.document)

    async def says(self, token: str, after: float = 0.0) -> str:
        """What comes of a token: what it says, or the code and the sentence of the error."""
        self.clock.advance(after)
        try:
            return (await self.keys.payload(token)).decode()
        except RotationError as error:
            return str(error)


@asynccontextmanager
async def publishing() -> AsyncIterator[Publisher]:
    publisher, app = Publisher(), web.Application()
    app.router.add_get("/jwks", publisher.answer)
    async with serving(app) as url:
        settings = ProviderSettings(f"{url}/token", endpoints={discovery.KEYS: f"{url}/jwks"}, timeout=2.0)
        provider = Provider(settings, publisher.clock)
        publisher.keys = Keys(provider, Outages(publisher.clock), publisher.clock)
        try:
            yield publisher
        finally:
            await provider.close()


GOOD: dict[str, tuple[Key, str]] = {
    "RS256": (RSA, "rsa"),
    "PS384": (RSA, "rsa"),
    "ES256": (EC, "ec"),
    "EdDSA": (ED, "ed"),
}


@pytest.mark.parametrize("algorithm", GOOD)
@pytest.mark.parametrize("named", [True, False], ids=["its key is named", "its key is not named"])
async def test_a_signature_by_a_published_key_is_taken(algorithm: str, *, named: bool) -> None:
    key, kid = GOOD[algorithm]
    async with publishing() as publisher:
        said = await publisher.says(signed(key, algorithm, header={"kid": kid} if named else None, sub="me"))
    assert json.loads(said)["sub"] == "me"


async def test_keys_are_read_once_an_hour() -> None:
    async with publishing() as publisher:
        for after, asked in ((0, 1), (3599, 1), (1, 2)):
            assert json.loads(await publisher.says(BY_RSA, after))["sub"] == "me"
            assert publisher.asked == asked


async def test_many_tokens_at_once_read_the_keys_once() -> None:
    async with publishing() as publisher:
        await asyncio.gather(*(publisher.says(BY_RSA) for _ in range(50)))
        assert publisher.asked == 1


async def test_a_new_key_is_read_when_a_token_comes_that_is_signed_with_it_and_at_most_once_a_minute() -> None:
    async with publishing() as publisher:
        await publisher.says(BY_RSA)
        publisher.publish(NEW)
        by_new = signed(NEW, "RS256", header={"kid": "new"}, sub="me")
        early = await publisher.says(by_new, after=10)
        assert early.startswith("verify_unavailable: ")
        assert "they are read again in 50 s" in early
        assert publisher.asked == 1
        assert json.loads(await publisher.says(by_new, after=50))["sub"] == "me"
        assert publisher.asked == 2


async def test_a_key_that_nobody_has_published_is_refused_once_the_keys_have_been_read_for_it() -> None:
    async with publishing() as publisher:
        await publisher.says(BY_RSA)
        by_other = signed(NEW, "RS256", header={"kid": "new"})
        assert (await publisher.says(by_other, after=60)).startswith(
            "verify_refused: the signature of the token (RS256)"
        )
        assert publisher.asked == 2
        assert (await publisher.says(by_other, after=1)).startswith("verify_unavailable: ")
        assert publisher.asked == 2


async def test_a_wrong_signature_by_a_key_that_is_known_is_refused_at_once() -> None:
    async with publishing() as publisher:
        assert (await publisher.says(signed(NEW, "RS256", header={"kid": "rsa"}))).startswith("verify_refused: ")
        assert publisher.asked == 1


async def test_another_key_under_the_same_name_is_read_too() -> None:
    async with publishing() as publisher:
        await publisher.says(BY_RSA)
        other = RSAKey.generate_key(2048, {"kid": "rsa"})
        publisher.publish(other)
        assert "sub" in await publisher.says(signed(other, "RS256", header={"kid": "rsa"}, sub="me"), after=60)


def by_hmac(secret: bytes) -> str:
    """What an attacker makes who knows the public key only."""
    content = f"{part({'alg': 'HS256', 'kid': 'rsa'})}.{part({'sub': 'me'})}"
    return f"{content}.{encoded(hmac.digest(secret, content.encode(), 'sha256'))}"


UNPROVEN = {
    "alg none": f"{part({'alg': 'none'})}.{part({'sub': 'me'})}.",
    "an HMAC with the public key": by_hmac(RSA.as_pem(private=False)),
    "an algorithm that is a list": f"{part({'alg': ['RS256']})}.{part({'sub': 'me'})}.AAAA",
    "an unknown algorithm": f"{part({'alg': 'RS1'})}.{part({'sub': 'me'})}.AAAA",
    "no header": "AAAA.AAAA.AAAA",
    "two parts": "AAAA.AAAA",
    "an opaque token": "opaque",
}


@pytest.mark.parametrize("case", UNPROVEN)
async def test_nothing_is_proven_by(case: str) -> None:
    async with publishing() as publisher:
        said = await publisher.says(UNPROVEN[case])
    assert said.startswith("verify_refused: ")
    assert UNPROVEN[case] not in said


async def test_a_header_that_must_be_understood_and_is_not_is_refused() -> None:
    head, payload, signature = BY_RSA.split(".")
    critical = part({"alg": "RS256", "kid": "rsa", "crit": ["unheard"], "unheard": 1})
    async with publishing() as publisher:
        assert (await publisher.says(f"{critical}.{payload}.{signature}")).startswith("verify_refused: ")
        assert "sub" in await publisher.says(f"{head}.{payload}.{signature}")


async def test_a_large_token_with_headers_of_its_own_is_taken() -> None:
    token = signed(RSA, "RS256", header={"kid": "rsa", "nonce": "n" * 900}, sub="me", roles="r" * 20_000)
    async with publishing() as publisher:
        assert json.loads(await publisher.says(token))["sub"] == "me"


async def test_keys_of_other_kinds_and_for_other_uses_are_left_out() -> None:
    odd = (
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "akp"},
        {"kty": "RSA"},
        {**NEW.as_dict(private=False), "use": "enc"},
        {"kty": "oct", "k": "AAAA"},
        "no key",
    )
    async with publishing() as publisher:
        publisher.publish(RSA, more=odd)
        assert "sub" in await publisher.says(BY_RSA)
        assert (await publisher.says(signed(NEW, "RS256", header={"kid": "new"}), after=60)).startswith(
            "verify_refused"
        )


async def test_a_key_that_is_for_another_algorithm_signs_nothing_with_this_one() -> None:
    async with publishing() as publisher:
        publisher.publish(more=({**RSA.as_dict(private=False), "alg": "PS256"},))
        assert (await publisher.says(BY_RSA)).startswith("verify_refused: ")


SILENT = {
    "an error": (503, "{}", "answered with status 503; wanted 200"),
    "no JSON": (200, "<html>", "not JSON"),
    "no keys": (200, "{}", "with no key of type RSA, EC or OKP"),
    "a redirect": (302, "{}", "answered with status 302; wanted 200"),
}


@pytest.mark.parametrize("case", SILENT)
async def test_where_the_keys_are_not_to_be_had_nobody_can_tell(case: str) -> None:
    async with publishing() as publisher:
        publisher.status, publisher.document, words = SILENT[case]
        said = await publisher.says(BY_RSA)
    assert said.startswith("verify_unavailable: ")
    assert words in said


async def test_keys_that_are_known_serve_while_new_ones_are_not_to_be_had() -> None:
    async with publishing() as publisher:
        await publisher.says(BY_RSA)
        publisher.status = 503
        assert "sub" in await publisher.says(BY_RSA, after=3600)
        assert "sub" in await publisher.says(BY_RSA, after=1)
        assert publisher.asked == 2, "who was away a second ago is left alone"
