"""rotator keeps machine credentials fresh: it mints OAuth 2.0 bearer tokens ahead of expiry and delivers them."""

from importlib.metadata import version

__version__ = version("rotator")
