"""Where secret files are looked for, and who may read them (G07)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rotator.settings.secret_files import LARGEST_SECRET, UnsafeFileError, find, read_secret

if TYPE_CHECKING:
    from tests.unit.settings.home import Home


@pytest.mark.parametrize("text", ["s3cret", "s3cret\n", "s3cret\r\n"])
def test_the_line_end_after_a_secret_is_no_part_of_it(home: Home, text: str) -> None:
    assert read_secret(home.secret("x", text), shared=False).reveal() == "s3cret"


def test_white_space_within_a_secret_is_a_part_of_it(home: Home) -> None:
    assert read_secret(home.secret("x", " a b \n"), shared=False).reveal() == " a b "


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o666, 0o602, 0o601, 0o777])
def test_a_secret_that_others_can_get_at_is_refused_with_the_chmod_to_run_g07(home: Home, mode: int) -> None:
    path = home.secret("role-id", "x", mode)
    problem = home.problem()
    assert (problem.key, problem.line) == ("vault.auth.role_id_file", 6)
    assert f"mode {mode:04o}" in problem.found
    assert problem.cure == f"chmod o= {path}"
    path.chmod(mode & ~0o007)  # what the cure does
    assert home.loads().secret_files


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_a_secret_that_others_cannot_get_at_is_accepted_g07(home: Home, mode: int) -> None:
    assert read_secret(home.secret("x", "s", mode), shared=False).reveal() == "s"


def test_a_shared_secret_may_be_readable_but_never_writable_by_others_g07(home: Home) -> None:
    home.changed("[defaults]", "[security]\nallow_shared_secret_files = true\n[defaults]")
    home.secret("role-id", "x", 0o644)
    assert home.loads().settings.security.allow_shared_secret_files
    home.secret("role-id", "x", 0o646)
    assert "others can change it" in home.problem().found


def test_secrets_are_shared_also_where_the_environment_says_so_g07(home: Home) -> None:
    home.secret("role-id", "x", 0o644)
    assert home.loads(ROTATOR_SECURITY__ALLOW_SHARED_SECRET_FILES="yes").settings.security.allow_shared_secret_files
    assert len(home.error(ROTATOR_SECURITY__ALLOW_SHARED_SECRET_FILES="no").problems) == 1


@pytest.mark.parametrize("value", ["[]", "{}", '"perhaps"', "2"])
def test_what_is_neither_yes_nor_no_shares_nothing(home: Home, value: str) -> None:
    home.changed("[defaults]", f"[security]\nallow_shared_secret_files = {value}\n[defaults]")
    home.secret("role-id", "x", 0o644)
    problems = {problem.key: problem.wanted for problem in home.error().problems}
    assert problems.keys() == {"vault.auth.role_id_file", "security.allow_shared_secret_files"}
    assert problems["security.allow_shared_secret_files"] == "true or false"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_secret_file_of_somebody_else_is_refused_g07(home: Home) -> None:
    os.chown(home.directory / "role-id", 65534, 65534)
    assert "belongs to user 65534" in home.problem().found


@pytest.mark.parametrize(
    ("content", "why"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"\n", "is empty", id="a line end only"),
        pytest.param(b" \n", "is empty", id="a space only"),
        pytest.param(b"canary\ncanary\n", "several lines", id="several lines"),
        pytest.param(b"can\0ary", "control characters", id="NUL"),
        pytest.param(b"canary\xff", "no UTF-8", id="no text"),
        pytest.param(b"canary" * LARGEST_SECRET, "more than", id="large"),
    ],
)
def test_what_is_no_secret_is_refused_and_not_shown(home: Home, content: bytes, why: str) -> None:
    path = home.secret("x", "")
    path.write_bytes(content)
    with pytest.raises(UnsafeFileError) as caught:
        read_secret(path, shared=False)
    assert why in str(caught.value)
    assert "canary" not in f"{caught.value!r}{caught.value}{caught.value.cure}"


def test_a_secret_that_stands_where_its_file_should_is_not_shown(home: Home) -> None:
    home.changed('secret_id_file = "secret-id"', 'secret_id_file = "canary-7f3a"')
    problem = home.problem()
    assert (problem.key, problem.found) == (
        "vault.auth.secret_id_file",
        "a file that does not exist (its name is not shown)",
    )
    assert "canary" not in f"{home.error()}{problem!r}"


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_what_is_no_plain_file_is_refused_at_once(home: Home, make: type) -> None:
    path = home.directory / "x"
    make(path)
    with pytest.raises(UnsafeFileError, match="no plain file"):
        read_secret(path, shared=False)


def test_no_descriptor_stays_open_whatever_is_refused(home: Home) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    for path in (home.directory, home.secret("wide", "x", 0o644), home.secret("empty", "")):
        with pytest.raises(UnsafeFileError):
            read_secret(path, shared=False)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_path_with_spaces_is_quoted_in_the_cure(home: Home) -> None:
    path = home.secret("my secret", "x", 0o644)
    with pytest.raises(UnsafeFileError) as caught:
        read_secret(path, shared=False)
    assert caught.value.cure == f"chmod o= '{path}'"


def test_a_relative_name_is_systemds_credential_first_and_then_beside_the_configuration(
    home: Home, tmp_path: Path
) -> None:
    handed = tmp_path / "credentials"
    handed.mkdir()
    environ = {"CREDENTIALS_DIRECTORY": str(handed)}
    name = (home.directory / "role-id").relative_to(home.directory)
    assert find(name, home.directory, environ) == home.directory / "role-id"
    (handed / "role-id").touch()
    assert find(name, home.directory, environ) == handed / "role-id"
    assert find(home.directory / "role-id", home.directory, environ) == home.directory / "role-id"


def test_secret_files_are_found_from_wherever_rotator_is_started(home: Home) -> None:
    assert set(home.loads().secret_files.values()) == {home.directory / "role-id", home.directory / "secret-id"}
