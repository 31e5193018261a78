"""Which scope a client may ask for: what it was registered with. django-oauth-toolkit asks a class of this form."""

from __future__ import annotations

import sys
from typing import Any

from oauth2_provider.scopes import BaseScopes

SERVER = sys.modules["__main__"]


class Registered(BaseScopes):  # type: ignore[misc] # it has no types
    def get_all_scopes(self) -> dict[str, str]:
        """Every scope, and what people are told of it."""
        scopes: dict[str, str] = SERVER.SCOPES
        return scopes

    def get_available_scopes(self, application: Any = None, *_: Any, **__: Any) -> list[str]:
        """A client's; all where there is no client, in the discovery documents."""
        if application is None:
            return list(SERVER.SCOPES)
        scope: str = SERVER.registered[application.client_id]["scope"]
        return scope.split()

    get_default_scopes = get_available_scopes
