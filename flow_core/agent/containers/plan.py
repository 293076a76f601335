"""What a task with an image is planned to be, before anything of it is made."""

from __future__ import annotations

from typing import Any

from flow_core.agent.containers.arguments import WORKSPACE
from flow_core.agent.containers.choice import choose_engine
from flow_core.agent.submit_request import SubmitRequest


def plan_container(request: SubmitRequest) -> dict[str, Any]:
    """What the supervisor needs to know. May take seconds. Refuses with NO_ENGINE."""
    choice = choose_engine(request.engine)
    return {
        "engine": choice.engine._asdict(),
        "image": request.image,
        "is_line": isinstance(request.command, str),
        "working_dir": request.working_dir or WORKSPACE,
        "defaults": choice.defaults,
    }
