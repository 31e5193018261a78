"""What fuzzing has found, each as a test of its own, so that it stays found."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from yarl import URL

from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret, TokenRecord
from rotator.oauth.answer import Answer, Expectations, read_answer
from rotator.oauth.grants import GrantParameters
from rotator.operate.redaction import redact_text
from rotator.settings.load import load
from rotator.settings.problems import ConfigError
from rotator.settings.secret_files import UnsafeFileError, read_secret
from rotator.vault.inputs import fetch
from rotator.vault.transport import Transport
from tests.fuzz.checks import NOW, PASSPHRASE, SEARCHER, SECRET, WHERE, record_of
from tests.support.hostile_provider import SECRET as CLIENT_SECRET
from tests.support.hostile_provider import answering, hostile, response
from tests.support.hostile_provider import mint as mint_at
from tests.support.requests import built
from tests.unit.settings.home import GOOD, Home

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.hostile_provider import Behaviour

NOT_UTF8 = SECRET.encode() + b"\xff"


def _read(body: bytes) -> None:
    read_answer(Answer(200, body, WHERE), Expectations(), NOW)


CARRIERS: dict[str, Callable[[Path], object]] = {
    "an answer that is no UTF-8": lambda _: _read(NOT_UTF8),
    "an answer that is no JSON": lambda _: _read(SECRET.encode()),
    "a secret that is no text": lambda _: built(
        GrantParameters(), "client_secret_post", "rfc6749", "id", Secret(f"{SECRET}\ud800")
    ),
    "a login's file that is no UTF-8": lambda place: fetch(_file(place, NOT_UTF8), "the Vault token"),
    "a login's function that fails": lambda _: fetch(_fail, "the Vault token"),
    "a secret file that is no UTF-8": lambda place: read_secret(_file(place, NOT_UTF8), shared=False),
    "a configuration that is no UTF-8": lambda place: load(_file(place, NOT_UTF8), {}),
    "a configuration that is no TOML": lambda place: load(_file(place, f"[{SECRET}".encode()), {}),
    "a configuration that is refused": lambda place: load(
        _file(place, f'{GOOD}[log]\nlevel = ["{SECRET}"]'.encode()), {}
    ),
}


def _fail() -> Secret:
    raise LookupError(SECRET)


def _file(place: Path, content: bytes) -> Path:
    file = Home(place).secret("config.toml", "")
    file.write_bytes(content)
    return file


@pytest.mark.parametrize("carrier", CARRIERS)
def test_a_refusal_carries_no_foreign_exception_along_with_what_it_held_g11(carrier: str, tmp_path: Path) -> None:
    with pytest.raises((RotationError, ConfigError, UnsafeFileError)) as caught:
        CARRIERS[carrier](tmp_path)
    assert SEARCHER.look_at_error(caught.value, carrier) == []


async def test_a_refusal_carries_no_exception_of_the_transport_along_with_what_it_held_p42() -> None:
    async with hostile(answering(b"HTTP/1.1 " + SECRET.encode() + b"\r\n\r\n")) as url:
        with pytest.raises(RotationError) as caught:
            await mint_at(url)
    assert caught.value.code is Code.ANSWER_STATUS
    assert caught.value.__context__ is None
    assert SEARCHER.look_at_error(caught.value, "the transport") == []


def test_an_error_code_that_nobody_registered_is_not_shown_for_it_may_be_an_echoed_secret_p44() -> None:
    body = json.dumps({"error": PASSPHRASE}).encode()
    with pytest.raises(RotationError, match=r"answered with status 400$") as caught:
        read_answer(Answer(400, body, WHERE), Expectations(), NOW)
    assert SEARCHER.look_at_error(caught.value, "the answer") == []


def test_a_secret_that_was_pasted_as_the_name_of_a_key_is_not_shown_g11(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(_file(tmp_path, f'{SECRET} = "x"\n{GOOD}'.encode()), {})
    assert [problem.key for problem in caught.value.problems] == ['"(not shown)"']
    assert SEARCHER.look_at_error(caught.value, "the refusal") == []


def test_a_scope_that_is_the_token_itself_is_taken_for_none_p35() -> None:
    body = {"access_token": SECRET, "token_type": "Bearer", "expires_in": 600, "scope": f"a {SECRET}"}
    grant = read_answer(Answer(200, json.dumps(body).encode(), WHERE), Expectations(), NOW)
    assert (grant.access_token.reveal(), grant.scope) == (SECRET, "")


async def test_a_scope_that_is_the_client_secret_is_taken_for_none_p35_p44() -> None:
    body = {"access_token": "a.b.c", "token_type": "Bearer", "expires_in": 600, "scope": f"a {CLIENT_SECRET.reveal()}"}
    async with hostile(answering(response(json.dumps(body).encode()))) as url:
        assert (await mint_at(url)).scope == ""


@pytest.mark.parametrize(
    "text", ['://@)//secret="@', 'p://client_secret=" Bearer u "b@', 'a://:@client_secret="c:\\ :s=""b://@r"b"']
)
def test_what_cutting_brings_together_is_cut_as_well_p44(text: str) -> None:
    once = redact_text(text)
    assert redact_text(once) == once


def test_a_record_of_an_early_year_is_read_back_as_it_was_written_c03() -> None:
    record = TokenRecord.parse({**record_of("token.one").fields(), "issued_at": "0231-01-01T00:00:00Z"})
    assert record is not None
    assert TokenRecord.parse(record.fields()) == record


async def test_a_redirect_of_vault_to_a_host_named_like_the_token_does_not_show_it_v04() -> None:
    head = f"HTTP/1.1 307 X\r\nLocation: http://a.{SECRET.lower()}.example:8200/v1/x\r\nContent-Length: 0\r\n\r\n"
    async with hostile(_hears_no_body(head.encode())) as url:
        vault = URL(url)
        transport = Transport(frozenset({vault.authority}))
        with pytest.raises(RotationError, match="a redirect to another place") as caught:
            await transport.send("GET", vault, {"X-Vault-Token": f"s.{SECRET}"})
        await transport.close()
    assert SEARCHER.look_at_error(caught.value, "the redirect") == []


def _hears_no_body(raw: bytes) -> Behaviour:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(raw)
        await writer.drain()

    return behave


async def test_an_answer_that_is_refused_by_its_json_carries_none_of_it_p40() -> None:
    async with hostile(answering(response(json.dumps({"error": SECRET}).encode() + b"\xff"))) as url:
        with pytest.raises(RotationError) as caught:
            await mint_at(url)
    assert SEARCHER.look_at_error(caught.value, "the answer") == []
