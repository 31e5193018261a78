"""A Kubernetes Secret as a sink: on a fake API server, and on the real one where $KUBEBUILDER_ASSETS names it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.contract import SinkContract
from tests.support.kubernetes_fixtures import admin, api_server, fake, place, real

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.kubernetes.sink import SecretSink
    from tests.support.kubernetes_fixtures import Place

__all__ = ["admin", "api_server", "fake", "place", "real"]


class TestSecretSink(SinkContract):
    @pytest.fixture
    def open_sink(self, place: Place) -> Callable[[], SecretSink]:
        return place.sink


class TestSecretSinkWithTheTokenAlone(SinkContract):
    @pytest.fixture
    def open_sink(self, place: Place) -> Callable[[], SecretSink]:
        return lambda: place.sink(keys={"token": "access_token"})


class TestSecretSinkWithTheRecordAsJson(SinkContract):
    @pytest.fixture
    def open_sink(self, place: Place) -> Callable[[], SecretSink]:
        return lambda: place.sink(keys={"token.json": "json"})
