"""`from flow_core.api.client import ...`, as older releases of the published SDK have it."""

from flow_core.sdk.client import *  # noqa: F403
from flow_core.sdk.client import __all__, __getattr__  # noqa: F401
