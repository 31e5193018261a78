"""Plugins that fail while rotator runs touch the credential that they are for, and no other."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from tests.support.process import Rotator, rotator

if TYPE_CHECKING:
    from pathlib import Path

    from tests.plugins.packages import Packages
    from tests.support.process import Site

CODE = '''
class Raising(Working):
    async def write(self, record):
        raise ValueError(record.access_token.reveal())

class Hanging(Working):
    async def write(self, record):
        await asyncio.Event().wait()

class Stubborn(Working):
    """It cannot be cancelled."""
    async def write(self, record):
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass

class Exiting(Working):
    async def write(self, record):
        sys.exit(record.access_token.reveal())

class Forgetful(Working):
    async def write(self, record):
        self.held = record

class Unmade(Working):
    def __init__(self, settings, site):
        raise OSError("CANARY")

class Refused(Working):
    async def write(self, record):
        try:
            raise OSError(record.access_token.reveal())
        except OSError as error:
            raise RotationError(Code.PLUGIN_REFUSED, "its server says no; wanted yes: ask there") from error

class Blocking(Working):
    def __init__(self, settings, site):
        super().__init__(settings, site)
        self.site = site
    async def write(self, record):
        await self.site.in_thread(lambda: __import__("threading").Event().wait())

raising, hanging, stubborn, exiting, forgetful, unmade, refused, blocking = map(
    sink, (Raising, Hanging, Stubborn, Exiting, Forgetful, Unmade, Refused, Blocking)
)
nothing = sink(lambda settings, site: None)

class Unreadable(Working):
    async def read(self):
        raise KeyError("CANARY")

class Endless(Working):
    async def read(self):
        await asyncio.Event().wait()

class Naive(Working):
    async def read(self):
        return {"access_token": "CANARY"}

unreadable, endless, naive = map(sink, (Unreadable, Endless, Naive))

def source(read, deadline=0.5):
    class Made:
        def __init__(self, settings, site):
            pass
        async def read(self):
            return await read()
    return Plugin(api=1, kind=SourceKind(settings=Nothing, make=Made, deadline=deadline))

async def fail():
    raise ValueError("CANARY")

async def wait():
    await asyncio.Event().wait()

async def text():
    return "CANARY"

async def bare():
    return ClientCredentials("client", ("CANARY",), "v1")

source_raises, source_hangs, source_is_text, source_is_bare = map(source, (fail, wait, text, bare))

async def raise_for(*_):
    raise ValueError(_[0].secrets[0].reveal())

async def text_for(*_):
    return "CANARY"

async def lines_for(*_):
    return Proof(headers={"X-Key": "a\\r\\nCookie: CANARY"})

form_raises, form_is_text = (Plugin(api=1, kind=GrantKind("password", made)) for made in (raise_for, text_for))
proof_raises, proof_has_lines = (
    Plugin(api=1, kind=ClientAuth(made, "client_secret")) for made in (raise_for, lines_for)
)
'''

SINKS = {
    "raising": ("plugin_failed", "write of raising:raising of rotator-handmade 1.0 raised ValueError at "),
    "hanging": ("plugin_timeout", "write of hanging:hanging of rotator-handmade 1.0 had not ended after 0.5 s"),
    "stubborn": ("plugin_timeout", "write of stubborn:stubborn of rotator-handmade 1.0 had not ended after 0.5 s"),
    "exiting": ("plugin_failed", "write of exiting:exiting of rotator-handmade 1.0 raised SystemExit at "),
    "forgetful": ("plugin_failed", "write of forgetful:forgetful of rotator-handmade 1.0 returned a NoneType"),
    "refused": ("plugin_refused", "its server says no; wanted yes: ask there"),
    "blocking": ("plugin_timeout", "write of blocking:blocking of rotator-handmade 1.0 had not ended after 0.5 s"),
}
UNREAD = {
    "unmade": ("plugin_failed", "make of unmade:unmade of rotator-handmade 1.0 raised OSError at "),
    "nothing": ("plugin_failed", "of rotator-handmade 1.0 returned a NoneType; wanted something with read()"),
    "unreadable": ("plugin_failed", "read of unreadable:unreadable of rotator-handmade 1.0 raised KeyError at "),
    "endless": ("plugin_timeout", "read of endless:endless of rotator-handmade 1.0 had not ended after 0.5 s"),
    "naive": ("plugin_failed", "read of naive:naive of rotator-handmade 1.0 returned a dict that is none"),
}
"""Sinks that cannot be looked at; the status tells, as it does for those of rotator itself."""

MINTS = {
    "source_raises": (
        "plugin_failed",
        "read of the source source_raises of source_raises of rotator-handmade 1.0 raised",
    ),
    "source_hangs": ("plugin_timeout", "had not ended after 0.5 s; wanted an answer by then"),
    "source_is_text": ("plugin_failed", "returned a str that is none; wanted ClientCredentials"),
    "source_is_bare": ("plugin_failed", "returned a ClientCredentials that is none"),
    "form_raises": ("plugin_failed", "form of the grant form_raises of rotator-handmade 1.0 raised ValueError at "),
    "form_is_text": ("plugin_failed", "returned a str that is none; wanted a list of pairs of texts"),
    "proof_raises": ("plugin_failed", "prove of the client authentication proof_raises of rotator-handmade 1.0 raised"),
    "proof_has_lines": ("plugin_failed", "made a header with control characters"),
}
POINTS = {
    "rotator.sinks": {name: name for name in (*SINKS, *UNREAD)},
    "rotator.sources": {name: name for name in MINTS if name.startswith("source")},
    "rotator.grants": {name: name for name in MINTS if name.startswith("form")},
    "rotator.client_auth": {name: name for name in MINTS if name.startswith("proof")},
}


async def everything(site: Site, packages: Packages) -> Path:
    """A configuration with a credential for each way to fail, and one that is well."""
    packages.add("rotator-handmade", POINTS, CODE)
    client = site.oidc.register()
    site.clients["good"] = client
    source = 'source = { type = "vault", path = "secret/apps/good" }'
    kept = 'sinks = [{{ type = "vault", path = "secret/tokens/{name}" }}]'
    tables = {"good": [source, kept]}
    tables |= {name: [source, f'sinks = [{{{{ type = "{name}" }}}}]'] for name in (*SINKS, *UNREAD)}
    for name in MINTS:
        key = {"f": f'grant = "{name}"', "p": f'client_auth = "{name}"'}.get(name[0], "")
        tables[name] = [source if key else f'source = {{{{ type = "{name}" }}}}', key, kept]
    for name, lines in tables.items():
        rows = "\n".join(lines).replace("{{", "{").replace("}}", "}").replace("{name}", name)
        site.extra += f'[credentials.{name}]\nprovider = "thx"\nrecheck_interval = "1s"\n{rows}\n'
    file = await site.prepare([])
    await site.store("good", client.secret.reveal())
    return file


async def test_every_way_to_fail_is_told_of_its_own_credential_and_the_others_are_served(
    site: Site, packages: Packages
) -> None:
    file = await everything(site, packages)
    async with Rotator(file, env=packages.path) as daemon:
        await daemon.says("token.delivered", credential="good")
        for name, (code, words) in SINKS.items():
            failed = await daemon.says("token.delivery_failed", credential=name, error=code)
            assert words in failed["detail"], name
        for name, (code, words) in MINTS.items():
            failed = await daemon.says("token.mint_failed", credential=name, error=code)
            assert words in failed["detail"], name
            assert failed["stage"] == ("read" if name.startswith("source") else "grant")
        for name, (code, words) in UNREAD.items():
            _, out, _ = await rotator("status", name, "-o", "json", "-c", file)
            failure = json.loads(out)["sinks"][0]["failure"]
            assert (failure["error"], failure["stage"]) == (code, "read")
            assert words in failure["detail"], name
        # They all have one provider, whose gate has let the good one through again and again.
        before = len(daemon.named("token.minted", credential="good"))
        await site.store("good", site.clients["good"].secret.reveal(), changed="yes")
        await daemon.says("token.minted", credential="good", count=before + 1)
        assert daemon.named("credential.broken") == []
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
        told = json.dumps(daemon.events)
    assert "CANARY" not in told
    assert site.clients["good"].secret.reveal() not in told
    assert "eyJ" not in told, "a token is told"


async def test_a_live_check_says_which_part_of_which_package_fails(site: Site, packages: Packages) -> None:
    file = await everything(site, packages)
    code, out, err = await rotator("check", "--live", "-c", file, env=packages.path)
    assert code == 1
    assert "make of unmade:unmade of rotator-handmade 1.0 raised OSError at" in out
    assert "Report it to the plugin's author with the log line" in out
    assert "CANARY" not in out + err


CLOSING = """
class Settings(Section):
    word: str

class Closing(Working):
    def __init__(self, settings, site):
        super().__init__(settings, site)
        self.word = settings.word
    async def close(self):
        with pathlib.Path(__file__).with_name("closed").open("a") as file:
            file.write(self.word)

kept = sink(Closing, settings=Settings, place=lambda settings, credential: settings.word)
"""


async def test_what_a_plugin_has_opened_is_closed_when_it_is_replaced_and_in_the_end(
    site: Site, packages: Packages
) -> None:
    packages.add_sinks(CLOSING, "kept")
    site.extra = """
[credentials.good]
provider = "thx"
source = { type = "vault", path = "secret/apps/good" }
sinks = [{ type = "kept", word = "a" }]
"""
    file = await site.prepare([])
    await site.register("good")
    closed = packages.place / "closed"
    async with Rotator(file, env=packages.path) as daemon:
        await daemon.says("token.delivered", sink="kept:a")
        file.write_text(file.read_text().replace('word = "a"', 'word = "b"'))
        daemon.signal(signal.SIGHUP)
        await daemon.says("token.delivered", sink="kept:b")
        await daemon.says("config.reloaded")
        assert closed.read_text() == "a"
        daemon.signal(signal.SIGHUP)
        await daemon.says("config.reloaded", count=2)
        assert closed.read_text() == "a", "nothing has changed"
        daemon.signal(signal.SIGTERM)
        assert await daemon.ended() == 0
    assert closed.read_text() == "ab"


async def test_a_broken_package_in_a_reload_keeps_the_old_configuration(site: Site, packages: Packages) -> None:
    file = await site.prepare(["good"])
    async with Rotator(file, env=packages.path) as daemon:
        await daemon.says("daemon.ready")
        packages.add_sinks("raise ValueError('CANARY')", "kept")
        file.write_text(file.read_text().replace("sinks = [", 'sinks = [{ type = "kept" },'))
        daemon.signal(signal.SIGHUP)
        rejected = await daemon.says("config.rejected")
        assert "cannot be imported: ValueError at" in json.dumps(rejected)
        packages.write("rotator_handmade", "kept = sink(Working)")
        daemon.signal(signal.SIGHUP)
        await daemon.says("token.delivered", sink="kept:good")
        assert "CANARY" not in json.dumps(daemon.events)
