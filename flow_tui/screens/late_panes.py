"""The panes that the first frame does without: loaded and made when they are first asked for."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from flow_core.fleet import Fleet
    from flow_tui.panes.instances import InstancesPane
    from flow_tui.panes.shell import ShellPane
    from flow_tui.panes.volumes import VolumesPane
    from flow_tui.screens.dashboard import DashboardScreen
    from flow_tui.screens.market_watch import MarketWatch


class LatePanes:
    """Part of the dashboard. `release_key` is the key that leaves the shell."""

    fleet: Fleet
    release_key: str

    @cached_property
    def instances(self) -> InstancesPane:
        from flow_tui.panes.instances import InstancesPane  # deferred: see above

        return InstancesPane(id="instances", contexts=len(self.fleet.names))

    @cached_property
    def market(self) -> MarketWatch:
        from flow_tui.screens.market_watch import MarketWatch  # deferred: see above

        return MarketWatch(cast("DashboardScreen", self))

    @cached_property
    def volumes(self) -> VolumesPane:
        from flow_tui.panes.volumes import VolumesPane  # deferred: see above

        pane = VolumesPane(id="volumes", contexts=len(self.fleet.names))
        pane.is_read_only = self.fleet.gate.read_only
        return pane

    @cached_property
    def shell(self) -> ShellPane:
        from flow_tui.panes.shell import ShellPane  # deferred: see above

        return ShellPane(release_key=self.release_key, read_only=self.fleet.gate.read_only, id="shell")
