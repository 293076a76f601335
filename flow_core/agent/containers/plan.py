"""What a task with an image is planned to be, before anything of it is made."""

from __future__ import annotations

from flow_core.agent.containers.arguments import WORKSPACE
from flow_core.agent.containers.engine_choice import choose_engine
from flow_core.agent.spec import ContainerPlan
from flow_core.agent.submit_request import SubmitRequest


def plan_container(request: SubmitRequest) -> ContainerPlan:
    """Return the container plan for the supervisor. May take seconds. Refuses with NO_ENGINE."""
    choice = choose_engine(request.engine)
    return ContainerPlan(
        engine=choice.engine._asdict(),
        image=str(request.image),
        is_line=isinstance(request.command, str),
        working_dir=request.working_dir or WORKSPACE,
        defaults=choice.defaults,
    )
