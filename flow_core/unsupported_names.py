"""Names of the published SDK that have no counterpart here, and their alternatives."""

from __future__ import annotations

import sys

_FUNCTIONS = "write a script and run it: flow_core.run('python train.py', instance_type='8xh100')"
_CLUSTER = "flow_core.run(..., num_instances=...) starts one command on several instances"
_INSTEAD = {
    **dict.fromkeys(("FlowApp", "app", "function", "invoke", "invoke_async", "InvokeTask", "Function"), _FUNCTIONS),
    **dict.fromkeys(("cls", "remote", "method", "enter", "exit", "build", "parameter", "param"), _FUNCTIONS),
    **dict.fromkeys(("on_enter", "on_exit", "on_build", "decorators"), _FUNCTIONS),
    **dict.fromkeys(("batched", "concurrent", "web_endpoint"), f"{_FUNCTIONS}; ports=[8080] shows where it listens"),
    "Secret": "give values to a task in env={...}; they are kept out of messages and logs",
    **dict.fromkeys(("Cron", "Period"), "run the script that submits from cron, with idempotency_key= against doubles"),
    "Image": "name a container image: flow_core.run(..., image='pytorch/pytorch:2.2.2')",
    **dict.fromkeys(("Sandbox", "SandboxInstanceChoice"), "Flow().dev_context() is a machine to work in"),
    "Constraints": "choose with instance_type=, region= and max_price_per_hour=",
    **dict.fromkeys(("CapacityRequest", "CapacityRequestSpec", "CapacityChild"), _CLUSTER),
    **dict.fromkeys(("GrabPlan", "GrabFamilyChoice"), _CLUSTER),
    "Resources": "use ResourceSpec, or TaskConfig(instance_type=..., min_cpus=..., min_memory_gb=...)",
    "InstanceType": "Flow().find_instances({...}) returns AvailableInstance",
    "WaitUntil": "write the word: flow_core.run(..., wait_until='running')",
    "DEFAULT_REGION": "leave region out, or set it for the context in the config file",
}


def missing(module: str, name: str) -> AttributeError | ImportError:
    """Returns the exception to raise for a missing name.

    `from module import name` replaces the message of an AttributeError by its own, and keeps that of an ImportError.
    """
    if (instead := _INSTEAD.get(name)) is None:
        return AttributeError(f"module {module!r} has no attribute {name!r}", name=name)
    message = f"{module} has no {name} as the published SDK does; {instead}"
    return ImportError(message, name=name) if _is_imported_from(module) else AttributeError(message, name=name)


def _is_imported_from(module: str) -> bool:
    """Returns whether a from-import looks the name up: visible for a package; for a plain module, always assumed."""
    if not hasattr(sys.modules[module], "__path__"):
        return True
    frame = sys._getframe(2)
    while frame.f_back is not None and frame.f_code.co_name == "__getattr__":
        frame = frame.f_back
    return frame.f_code.co_name == "_handle_fromlist"
