"""A file that a template makes: its token is read from it after a restart, though nothing in it says which it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from rotator.core.errors import Code, RotationError
from rotator.files.template import LARGEST_RESULT, Template
from tests.integration.files.harness import NAME, record, sink
from tests.support.pages import example

if TYPE_CHECKING:
    from pathlib import Path

OTHER = Template("password {{ access_token }}\n", "/etc/rotator/other.j2")
ENCODED = Template("Authorization: Basic {{ ('me:' ~ access_token) | b64encode }}\n", "/etc/rotator/encoded.j2")


@pytest.mark.parametrize("template", [OTHER, ENCODED], ids=["plain", "within base64"])
async def test_r02_a_restart_adopts_the_token(tmp_path: Path, template: Template) -> None:
    await sink(tmp_path, "template", template=template).write(record())
    assert await sink(tmp_path, "template", template=template).read() == record()


async def test_the_template_in_the_guide_makes_what_it_seems_to(tmp_path: Path) -> None:
    template = Template(example("docs/files.md", "npmrc.j2"), "/etc/rotator/npmrc.j2")
    await sink(tmp_path, "template", template=template).write(record())
    assert (tmp_path / "out" / NAME).read_text() == (
        "//packages.example.com/:_authToken=token.one\n# until 2026-01-01T00:10:00Z, for openid\n"
    )


async def test_no_state_holds_the_token_or_what_is_around_it(tmp_path: Path) -> None:
    await sink(tmp_path, "template", template=ENCODED).write(record())
    (state,) = (tmp_path / "state").iterdir()
    (entry,) = json.loads(state.read_text())["records"]
    assert entry == {**record().metadata(), "token_at": [21, 37, 3, 12]}


async def test_a_file_that_another_template_made_counts_as_nothing_but_its_token_is_known(tmp_path: Path) -> None:
    await sink(tmp_path, "template", template=OTHER).write(record("theirs", 900))
    changed = sink(tmp_path, "template", template=ENCODED)
    assert await changed.read() is None
    assert await changed.write(record("mine")) == record("theirs", 900)
    assert await changed.read() == record("theirs", 900)


@pytest.mark.parametrize(
    ("old", "new"), [("password", "passwort"), ("token.one", "token.two"), ("\n", ""), ("\n", "\nmore")]
)
async def test_a_file_that_was_edited_counts_as_nothing_and_is_written_anew(tmp_path: Path, old: str, new: str) -> None:
    await sink(tmp_path, "template", template=OTHER).write(record())
    path = tmp_path / "out" / NAME
    path.write_text(path.read_text().replace(old, new))
    assert await sink(tmp_path, "template", template=OTHER).read() is None
    await sink(tmp_path, "template", template=OTHER).write(record())
    assert await sink(tmp_path, "template", template=OTHER).read() == record()


async def test_a_file_whose_state_was_deleted_is_known_by_the_template_and_written_anew(tmp_path: Path) -> None:
    await sink(tmp_path, "template", template=OTHER).write(record())
    (tmp_path / "state").rename(tmp_path / "deleted")
    assert await sink(tmp_path, "template", template=OTHER).read() is None
    await sink(tmp_path, "template", template=OTHER).write(record("new"))
    assert await sink(tmp_path, "template", template=OTHER).read() == record("new")


async def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    target = sink(tmp_path, "template", template=OTHER)
    (tmp_path / "out" / NAME).write_text("username hunter\npassword 2\n")
    for attempt in (target.read(), target.write(record()), target.check()):
        with pytest.raises(RotationError) as caught:
            await attempt
        assert caught.value.code is Code.SINK_FOREIGN
    assert (tmp_path / "out" / NAME).read_text() == "username hunter\npassword 2\n"


async def test_a_template_that_fails_leaves_the_old_file_and_is_told(tmp_path: Path) -> None:
    growing = Template("{{ access_token }}" * 16 + "\n", "/etc/rotator/growing.j2")
    target = sink(tmp_path, "template", template=growing)
    await target.write(record())
    with pytest.raises(RotationError) as caught:
        await target.write(record("x" * (LARGEST_RESULT // 16), 700))
    assert caught.value.code is Code.FILE_TEMPLATE
    assert "/etc/rotator/growing.j2" in caught.value.detail
    assert await target.read() == record()


async def test_a_known_file_is_looked_at_although_its_new_template_fails_for_it(tmp_path: Path) -> None:
    await sink(tmp_path, "template", template=OTHER).write(record())
    picky = Template("{% if scope == 'openid' %}{{ access_token }}{% else %}none{% endif %}", "/etc/rotator/picky.j2")
    odd = Template(
        "{% if scope != 'openid' or expires_in == '3600' %}{{ access_token }}{% endif %}", "/etc/rotator/odd.j2"
    )
    assert await sink(tmp_path, "template", template=picky).read() is None
    assert await sink(tmp_path, "template", template=odd).read() is None
