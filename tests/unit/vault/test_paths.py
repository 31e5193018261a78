"""Which Vault paths are let through (G08)."""

from __future__ import annotations

import pytest

from rotator.vault.mounts import check_path


@pytest.mark.parametrize("path", ["secret/apps/billing", "kv/x", "team/a/kv/app one/key", "secret/100%/x", "s/a.b_c-d"])
def test_a_plain_path_is_returned_as_it_is(path: str) -> None:
    assert check_path(path) == path


@pytest.mark.parametrize(
    ("path", "why"),
    [
        pytest.param("secret/../sys/x", "segment . or ..", id="G08 .."),
        pytest.param("secret/./x", "segment . or ..", id="G08 ."),
        pytest.param("secret/%2e%2e/x", "percent escape", id="G08 %2e%2e"),
        pytest.param("secret/%2Fx", "percent escape", id="G08 %2F"),
        pytest.param("secret//x", "empty segment", id="G08 //"),
        pytest.param("secret/x\0", "printable ASCII", id="G08 NUL"),
        pytest.param("secret/x\n", "printable ASCII", id="G08 newline"),
        pytest.param("secret/\u0430pp", "printable ASCII", id="G08 look-alike"),
        pytest.param("secret/x.", "ends with a dot", id="G08 trailing dot"),
        pytest.param("/secret/x", "slash", id="leading slash"),
        pytest.param("secret/x/", "slash", id="trailing slash"),
        pytest.param("secret/x ", "space", id="trailing space"),
        pytest.param("secret\\x/y", "backslash", id="backslash"),
        pytest.param("secret/x?version=1", "? # *", id="query"),
        pytest.param("secret/*", "? # *", id="star"),
        pytest.param("secret", "no key below a mount", id="mount only"),
        pytest.param("", "no key below a mount", id="empty"),
    ],
)
def test_an_unsafe_path_is_refused_with_the_reason(path: str, why: str) -> None:
    with pytest.raises(ValueError, match="cannot be used") as caught:
        check_path(path)
    assert why in str(caught.value)
