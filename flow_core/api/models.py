"""`from flow_core.api.models import ...`, as in older releases of the published SDK."""

from flow_core.sdk.models import *  # noqa: F403
from flow_core.sdk.models import __all__, __getattr__  # noqa: F401
