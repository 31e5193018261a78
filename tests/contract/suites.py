"""Where the suites were before they came with the package."""

from rotator.contract import NOW, SinkContract, SourceContract, Store, record

__all__ = ["NOW", "SinkContract", "SourceContract", "Store", "record"]
