"""A world as it is when the emulator starts: one account, its projects, and the market."""

from __future__ import annotations

from datetime import timedelta

from flow_core.emulator.account.people import hire
from flow_core.emulator.account.projects import Project
from flow_core.emulator.account.quotas import USUAL
from flow_core.emulator.clock import Clock
from flow_core.emulator.fids import Fids
from flow_core.emulator.market.auctions import open_auctions
from flow_core.emulator.nodes.contract import NodeFleet
from flow_core.emulator.settings import Settings
from flow_core.emulator.world import World

_PROJECTS = ("lab", "lab-archive")
_PEOPLE = (("ada", "admin"), ("grace", "member"), ("alan", "member"))
_AGE = timedelta(days=90)


def found(settings: Settings, clock: Clock, nodes: NodeFleet | None) -> World:
    """The same one for the same seed, but for its times. It has no API key yet."""
    fids = Fids(settings.seed)
    now = clock.now()
    projects = [Project(fids.make("proj"), name, now - _AGE) for name in _PROJECTS]
    people = hire(fids, _PEOPLE, tuple(project.fid for project in projects))
    auctions = open_auctions(fids, settings.seed, now)
    return World(
        settings=settings,
        clock=clock,
        fids=fids,
        nodes=nodes,
        me=people[0],
        people=people,
        projects={project.fid: project for project in projects},
        auctions={(one.offering.instance_type, one.offering.region): one for one in auctions},
        quotas=dict(USUAL),
    )
