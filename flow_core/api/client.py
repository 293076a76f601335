"""`from flow_core.api.client import ...`, as in older releases of the published SDK."""

from flow_core.sdk.client import *  # noqa: F403
from flow_core.sdk.client import __all__, __getattr__  # noqa: F401
