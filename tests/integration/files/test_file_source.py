"""Client credentials in files, and what may be wrong with those: who can read them, what they hold, who swaps them."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.core.document import Wanted
from rotator.core.errors import Code, RotationError
from rotator.core.model import Secret
from rotator.files.source import LARGEST, LOOKS, FileSource
from rotator.files.system import FileSystem
from tests.integration.files.harness import Intercepted, failing
from tests.support.kubernetes_volume import SecretVolume

if TYPE_CHECKING:
    from collections.abc import Callable

GOOD = {"client_id": "thx", "client_secret": "CANARY"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a document is to be."""
    return tmp_path / "thx"


def written(path: Path, content: object, mode: int = 0o600) -> Path:
    """A file; what is neither text nor bytes becomes JSON."""
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    path.chmod(mode)
    return path


def directory(path: Path, **fields: str | bytes) -> Path:
    """A directory with a file for each field."""
    path.mkdir(mode=0o755)
    for name, text in fields.items():
        written(path / name, text if isinstance(text, bytes) else text.encode())
    return path


def set_mode(path: Path, mode: int) -> None:
    path.chmod(mode)


def link(path: Path, target: Path) -> None:
    path.symlink_to(target)


def descriptors() -> int:
    """How many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


async def refusal(source: FileSource) -> RotationError:
    """Why it cannot be read; no word of it is a secret's."""
    with pytest.raises(RotationError) as caught:
        await source.read()
    told = f"{caught.value}{caught.value!r}{caught.value.detail}{caught.value.__context__!r}{caught.value.__cause__!r}"
    assert "CANARY" not in told
    assert "CANARY" not in f"{source!r}"
    return caught.value


# Who else can read it


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602, 0o666, 0o601])
async def test_g07_a_file_that_others_can_get_at_is_refused_with_the_chmod_to_run(place: Path, mode: int) -> None:
    written(place, GOOD, mode)
    refused = await refusal(FileSource(place))
    assert refused.code is Code.FILE_UNSAFE
    assert f"mode {mode:04o}" in refused.detail
    assert refused.detail.endswith(f"chmod o= {place}")
    set_mode(place, mode & ~0o007)  # what the cure does
    assert (await FileSource(place).read()).client_id == "thx"


async def test_g07_each_file_of_a_directory_is_held_to_that(place: Path) -> None:
    directory(place, **GOOD)
    set_mode(place / "client_secret", 0o604)
    assert (await refusal(FileSource(place))).detail.endswith(f"chmod o= {place}/client_secret")


async def test_g07_a_file_that_becomes_readable_to_others_is_refused_from_the_next_read_on(place: Path) -> None:
    source = FileSource(written(place, GOOD))
    await source.read()
    set_mode(place, 0o644)
    assert (await refusal(source)).code is Code.FILE_UNSAFE


async def test_g07_shared_files_may_be_readable_and_never_writable_by_others(place: Path) -> None:
    source = FileSource(written(place, GOOD, 0o644), shared=True)
    assert (await source.read()).secrets == (Secret("CANARY"),)
    set_mode(place, 0o646)
    assert "others can change it" in (await refusal(source)).detail


async def test_g07_a_volume_of_kubernetes_with_its_usual_mode_is_refused_with_what_closes_it(place: Path) -> None:
    SecretVolume(place).write(GOOD)
    refused = await refusal(FileSource(place))
    assert refused.code is Code.FILE_UNSAFE
    assert "fsGroup" in refused.detail
    assert "allow_shared_secret_files" in refused.detail
    assert (await FileSource(place, shared=True).read()).client_id == "thx"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_g07_a_file_of_somebody_else_is_refused(place: Path) -> None:
    os.chown(written(place, GOOD), 65534, 65534)
    assert "belongs to user 65534" in (await refusal(FileSource(place))).detail


async def test_f11_a_directory_that_everybody_may_write_to_is_refused(place: Path) -> None:
    directory(place, **GOOD).chmod(0o777)
    refused = await refusal(FileSource(place))
    assert (refused.code, "chmod o-w" in refused.detail) == (Code.FILE_UNSAFE, True)
    set_mode(place, 0o1777)  # where names belong to their owners, as in a volume of Kubernetes with fsGroup
    assert (await FileSource(place).read()).client_id == "thx"


async def test_f12_a_named_pipe_is_refused_at_once(place: Path) -> None:
    os.mkfifo(place)
    assert "no plain file" in (await refusal(FileSource(place))).detail


async def test_a_link_is_followed_and_a_swapped_one_as_well(tmp_path: Path, place: Path) -> None:
    link(place, written(tmp_path / "one", GOOD))
    source = FileSource(place)
    before = await source.read()
    link(tmp_path / "next", written(tmp_path / "two", {**GOOD, "client_secret": "CANARY 2"}))
    (tmp_path / "next").rename(place)
    assert (await source.read()).secrets == (Secret("CANARY 2"),)
    assert (await source.read()).version != before.version


# What it holds


@pytest.mark.parametrize(
    "content",
    [
        b"client_secret=CANARY",
        b'{"client_id": "thx", "client_secret": "CANARY"',
        b'["CANARY"]',
        b'"CANARY"',
        b"null",
        b'{"client_id": "thx", "client_secret": "CANARY", "client_secret": "CANARY 2"}',
        b'{"client_id": "thx", "client_secret": "CANARY\xff"}',
        '{"client_id": "thx", "client_secret": "CANARY"}'.encode("utf-16"),
        b'{"client_secret": "CANARY", "a": ' + b"[" * 200_000,
        b'{"client_secret": "CANARY", "a": ' + b"1" * 5000 + b"}",
    ],
    ids=["not json", "cut off", "list", "string", "null", "twice", "latin", "utf-16", "deep", "long number"],
)
async def test_what_is_no_json_object_is_refused_and_not_shown(place: Path, content: bytes) -> None:
    refused = await refusal(FileSource(written(place, content)))
    assert refused.code is Code.SECRET_MALFORMED
    assert str(place) in refused.detail
    assert refused.__context__ is None  # it would hold the text


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"client_id": "thx"}, "client_secret at PLACE is missing"),
        ({"client_id": "thx", "client_secret": ""}, "client_secret at PLACE is an empty string"),
        ({"client_id": "thx", "client_secret": None}, "client_secret at PLACE is null"),
        ({"client_id": "thx", "client_secret": ["CANARY"]}, "client_secret at PLACE is a list"),
        ({"client_id": 7, "client_secret": "CANARY"}, "client_id at PLACE is a number"),
        ({**GOOD, "client_secret_expires_at": "soon"}, "client_secret_expires_at at PLACE is no time"),
    ],
)
async def test_a_field_that_cannot_be_used_is_told_by_its_kind(place: Path, fields: object, said: str) -> None:
    refused = await refusal(FileSource(written(place, fields)))
    assert refused.code is Code.SECRET_MALFORMED
    assert said.replace("PLACE", str(place)) in refused.detail


@pytest.mark.parametrize("missing", ["client_id", "client_secret"])
async def test_a_directory_without_one_of_the_files_is_told_which(place: Path, missing: str) -> None:
    (directory(place, **GOOD) / missing).unlink()
    refused = await refusal(FileSource(place))
    assert refused.code is Code.SECRET_MALFORMED
    assert f"field {missing} at {place} is missing" in refused.detail


async def test_a_directory_without_any_of_the_files_is_told_as_one_that_is_missing(place: Path) -> None:
    directory(place, other="CANARY")
    assert (await refusal(FileSource(place))).code is Code.SECRET_MISSING


async def test_a_file_of_a_directory_that_is_no_text_is_refused_and_not_shown(place: Path) -> None:
    directory(place, client_id="thx", client_secret=b"CANARY\xff")
    refused = await refusal(FileSource(place))
    assert (refused.code, "client_secret" in refused.detail) == (Code.SECRET_MALFORMED, True)
    assert refused.__context__ is None


@pytest.mark.parametrize(("held", "read"), [("s", "s"), ("s\n", "s"), ("s\r\n", "s"), ("s\n\n", "s\n"), (" s ", " s ")])
async def test_the_line_end_after_a_field_is_no_part_of_it(place: Path, held: str, read: str) -> None:
    directory(place, client_id="thx", client_secret=held)
    assert (await FileSource(place).read()).secrets == (Secret(read),)


async def test_what_is_too_large_is_not_read_to_its_end(place: Path) -> None:
    written(place, b"")
    os.truncate(place, LARGEST * 4096)  # a hole: it takes no room
    refused = await refusal(FileSource(place))
    assert f"more than {LARGEST}" in refused.detail


@pytest.mark.parametrize("form", ["file", "directory"])
async def test_fields_may_have_other_names_and_further_ones_are_read(place: Path, form: str) -> None:
    fields = {"id": "thx", "key": "PEM", "cert": "CHAIN", "client_secret_expires_at": "1893456000"}
    directory(place, **fields) if form == "directory" else written(place, fields)
    names = {"client_id": "id", "private_key": "key", "certificate": "cert"}
    read = await FileSource(place, Wanted("private_key", ("certificate",), names=names)).read()
    assert (read.client_id, read.secrets, read.further) == ("thx", (Secret("PEM"),), {"certificate": Secret("CHAIN")})
    assert read.expires == datetime(2030, 1, 1, tzinfo=UTC)


async def test_a_field_may_be_told_elsewhere(place: Path) -> None:
    source = FileSource(directory(place, client_secret="CANARY"), given={"client_id": "thx"})
    assert (await source.read()).client_id == "thx"


async def test_an_unchanged_document_is_digested_once_and_a_reformatted_one_keeps_its_version(place: Path) -> None:
    source = FileSource(written(place, GOOD))
    first = await source.read()
    assert await source.read() is first
    written(place, json.dumps(GOOD, indent=4).encode())
    again = await source.read()
    assert again is not first
    assert again.version == first.version


# Who changes it meanwhile


def opening(number: int, then: Callable[[], object]) -> Intercepted:
    """A file system on which something happens just before the call that opens the `number`th file, from 1."""
    opened = iter(range(1, 10_000))

    def before(_: int, name: str) -> None:
        if name == "open" and next(opened) == number:
            then()

    return Intercepted(before=before)


NEW = {"client_id": "new", "client_secret": "NEW CANARY", "client_secret_previous": "CANARY"}


@pytest.mark.parametrize("number", range(1, 15))
async def test_f16_a_volume_that_is_swapped_between_two_files_is_read_whole(place: Path, number: int) -> None:
    """Whichever file it comes before: the directory, the link in it, one of the fields; in the first look or later."""
    volume = SecretVolume(place, 0o440)
    volume.write(GOOD)
    fs = opening(number, lambda: volume.write(NEW))
    read = await FileSource(place, fs=fs).read()
    whole = [("thx", (Secret("CANARY"),)), ("new", (Secret("NEW CANARY"), Secret("CANARY")))]
    assert (read.client_id, read.secrets) in whole
    assert (read.client_id == "new") is (number <= fs.made.count("open") - 6)


class Flipping(FileSystem):
    """A link leads to one directory while a look begins, and to another one before the second file is opened."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def open(self, name: str, flags: int, mode: int = 0o600, *, dir_fd: int | None = None) -> int:
        if dir_fd is None:
            self._lead_to("old")
        elif name == "client_secret":
            self._lead_to("new")
        return super().open(name, flags, mode, dir_fd=dir_fd)

    def _lead_to(self, where: str) -> None:
        link(self._data.with_name("..next"), Path(where))
        self._data.with_name("..next").rename(self._data)


async def test_f16_two_looks_that_see_the_same_swap_are_not_taken_for_two_that_saw_none(place: Path) -> None:
    set_up = {"old": GOOD, "new": {**GOOD, "client_id": "new", "client_secret": "NEW CANARY"}}
    directory(place)
    for name, fields in set_up.items():
        directory(place / name, **fields)
    for field in GOOD:
        link(place / field, Path("..data", field))
    read = await FileSource(place, fs=Flipping(place / "..data")).read()
    assert (read.client_id, read.secrets) == ("thx", (Secret("CANARY"),))


async def test_f16_a_volume_that_is_swapped_all_the_time_is_never_read_half_old_half_new(place: Path) -> None:
    volume = SecretVolume(place, 0o440)
    volume.write({"client_id": "0", "client_secret": "0"})
    enough = threading.Event()

    def swap() -> None:
        number = 0
        while not enough.wait(0.001):
            number += 1
            volume.write({"client_id": str(number), "client_secret": str(number)})

    swapping = threading.Thread(target=swap)
    swapping.start()
    source = FileSource(place)
    seen: set[str] = set()
    try:
        while len(seen) < 30:
            read = await source.read()
            assert read.secrets == (Secret(read.client_id),)
            seen.add(read.client_id)
    finally:
        enough.set()
        swapping.join()


@pytest.mark.parametrize("call", range(2))
async def test_a_file_that_is_written_in_place_is_not_read_while_it_is_cut(place: Path, call: int) -> None:
    whole = json.dumps(GOOD).encode()
    written(place, whole)
    calls = iter(range(100))

    def cut_and_finish(_: int, name: str) -> None:
        if name == "open":
            number = next(calls)
            if number == call:
                written(place, whole[:20])
            elif number == call + 1:
                written(place, whole)

    read = await FileSource(place, fs=Intercepted(before=cut_and_finish)).read()
    assert read.secrets == (Secret("CANARY"),)


async def test_a_file_that_never_stays_the_same_is_told_as_one_that_cannot_be_read_now(place: Path) -> None:
    numbers = iter(range(1000))

    def change(_: int, name: str) -> None:
        if name == "open":
            written(place, {**GOOD, "n": next(numbers)})

    fs = Intercepted(before=change)
    refused = await refusal(FileSource(place, fs=fs))
    assert (refused.code, fs.made.count("open")) == (Code.FILE_IO, LOOKS)
    assert refused.code.retryable


# When it cannot be looked at


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.EACCES, Code.FILE_DENIED),
        (errno.EPERM, Code.FILE_DENIED),
        (errno.ELOOP, Code.FILE_UNSAFE),
        (errno.EIO, Code.FILE_IO),
        (errno.ESTALE, Code.FILE_IO),
        (errno.EMFILE, Code.FILE_IO),
        (errno.ENOTDIR, Code.SECRET_MISSING),
    ],
    ids=errno.errorcode.get,
)
async def test_f20_a_file_that_cannot_be_opened_is_told_with_its_place(place: Path, number: int, code: Code) -> None:
    refused = await refusal(FileSource(written(place, GOOD), fs=failing({"open": number})))
    assert refused.code is code
    assert str(place) in refused.detail


async def test_f05_a_disk_that_fails_to_read_is_told_and_nothing_stays_open(place: Path) -> None:
    before = descriptors()
    directory(place, **GOOD)
    assert (await refusal(FileSource(place, fs=failing({"read": errno.EIO})))).code is Code.FILE_IO
    assert (await refusal(FileSource(place, fs=failing({"fstat": errno.EIO})))).code is Code.FILE_IO
    assert descriptors() == before


async def test_r08_a_file_system_that_hangs_holds_up_neither_the_loop_nor_the_credential_for_long(place: Path) -> None:
    hangs = threading.Event()

    def hang(_: int, name: str) -> None:
        if name == "read":
            hangs.wait()

    fs = Intercepted(before=hang)
    source = FileSource(written(place, GOOD), fs=fs, deadline=0.2)
    try:
        async with asyncio.timeout(5):
            assert (await refusal(source)).code is Code.FILE_IO
    finally:
        hangs.set()
