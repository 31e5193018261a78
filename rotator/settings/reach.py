"""Where a running rotator listens, from as much of its configuration as that takes.

Whoever asks how it is need not be able to read its secret files, nor have its Vault token in the environment.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from rotator.settings import environment, parts, where
from rotator.settings.http import Http
from rotator.settings.types import mapping_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.operate.listening import HttpSettings


def reach(file: Path, environ: Mapping[str, str]) -> HttpSettings:
    """Where the rotator of this configuration listens.

    Args:
        file: TOML.
        environ: The environment; `ROTATOR_HTTP__LISTEN` outweighs the file.

    Raises:
        ConfigError: It cannot be read, or does not say so in a way that can be used.
    """
    table, _ = environment.overlay(parts.read(file).table, environ)
    named = table.get("state_dir")
    try:
        section = Http(**mapping_of(table.get("http")))
    except ValidationError:
        # What is wrong is told with its place and its cure where the whole is read.
        from rotator.settings import translate  # noqa: PLC0415  the rare case, and half of what such a command costs
        from rotator.settings.load import load  # noqa: PLC0415  likewise

        return translate.http(load(file, environ), environ)
    state = Path(named) if isinstance(named, str) else where.usual_state_dir(environ)
    return where.place(section, state)


def named(place: str) -> HttpSettings:
    """The same from a place as `http.listen` has it.

    Raises:
        ValidationError: It is none.
    """
    return where.place(Http(listen=place, public=True), Path())
