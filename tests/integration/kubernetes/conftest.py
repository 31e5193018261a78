"""The API servers of these tests."""

from tests.support.kubernetes_fixtures import admin, api_server, fake, place, real

__all__ = ["admin", "api_server", "fake", "place", "real"]
