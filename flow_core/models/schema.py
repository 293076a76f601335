"""The JSON Schema of a task file, for editors: `python -m flow_core.models.schema > docs/task.schema.json`."""

from __future__ import annotations

import json
import sys
from typing import Any

from flow_core.models.task_config import Retries, TaskConfig, VolumeSpec

DESCRIPTIONS = {
    "name": "The task's name: a-z, 0-9, '.', '_' and '-'. A name in a file is used exactly as given.",
    "unique_name": "Adds '-' and six hex digits to the name.",
    "idempotency_key": "A second submit with the same key returns the first task.",
    "command": "A shell line or script, or a list of arguments that is executed unchanged.",
    "instance_type": "GPUs (a100, 4xa100, gpu:40gb, cpu) or an instance type's name; a list is tried in order.",
    "min_gpu_memory_gb": "Any GPU with at least that much memory, instead of an instance_type.",
    "min_cpus": "The least number of CPUs of an instance.",
    "min_memory_gb": "The least memory of an instance, in GB.",
    "num_instances": "How many instances run the command at once; each is one rank.",
    "distributed_mode": "manual sets no variables for torchrun; auto (the default) sets them.",
    "internode_interconnect": "The network between instances, such as InfiniBand.",
    "intranode_interconnect": "What connects the GPUs of one instance, such as SXM5.",
    "k8s": "A Kubernetes cluster, if the context has one.",
    "image": "A container image to run the command in.",
    "env": "Environment variables; their values are kept out of logs and messages.",
    "working_dir": "The working directory; inside the container if there is an image.",
    "streams": "separate keeps stdout and stderr apart in the log; merged gives the task one descriptor for both.",
    "tty": "Runs the command on a terminal of 80x24, for programs that draw or that buffer their output to a pipe.",
    "volumes": "Volumes to attach: existing ones by name or volume_id, new ones with a size_gb.",
    "data_mounts": "Data to mount: volume://NAME, a local path, or s3://BUCKET/PREFIX.",
    "ports": "Ports that the command listens on; shown as endpoints.",
    "retries": "How often it is tried again after a failure: a number, or a table.",
    "max_price_per_hour": "The price limit: the most that one instance may cost, in USD per hour.",
    "max_run_time_hours": "The time limit in hours, over all attempts; 0 means no limit.",
    "min_run_time_hours": "The least time that it needs, in hours.",
    "deadline_hours": "The latest end, in hours from now.",
    "ssh_keys": "Keys that may log in to its instances, by id, name or path.",
    "allocation_mode": "Where instances come from: the spot market, a reservation, or either.",
    "reservation_id": "The reservation to run on.",
    "scheduled_start_time": "When to start (ISO 8601; UTC when no zone is given).",
    "reserved_duration_hours": "For how many hours to reserve.",
    "region": "Where to run.",
    "priority": "Selects the price limit if none is given: low, med or high.",
    "upload_code": "Whether your code is uploaded to where the task runs.",
    "upload_strategy": "How the code is uploaded.",
    "upload_timeout": "The time limit of the upload, in seconds.",
    "code_root": "The folder to upload; by default the current directory.",
    "terminate_on_exit": "Releases the instance when the command has ended.",
    "dev_vm": "A development machine instead of a task that ends.",
    "after": "Tasks that must have completed first, for engines that support dependencies.",
    "array": "Indices of a task array (such as 0-15%4), for engines that support them.",
    "provider_options": "A table for each provider, passed on unchanged.",
}


def task_schema() -> dict[str, Any]:
    """Returns the JSON Schema (draft 2020-12) of the input of `TaskConfig.from_yaml`.

    The rules between fields are not part of it.
    """
    schema = TaskConfig.model_json_schema()
    fields, volume = schema["properties"], schema["$defs"]["VolumeSpec"]["properties"]
    for name, description in DESCRIPTIONS.items():
        fields[name]["description"] = description
    fields["retries"]["anyOf"].append({"type": "integer", "minimum": 0, "maximum": 10})
    fields["env"]["additionalProperties"] = {"type": ["string", "number"]}
    fields["command"]["anyOf"][1]["items"] = {"anyOf": [{"type": "string", "minLength": 1}, {"type": "number"}]}
    _add_published_names(schema["$defs"])
    volume["target"] = volume["mount_path"] | {"title": "Target", "description": "An alias of mount_path."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "A flow task",
        "description": "What Flow.run reads from a YAML file.",
    }


def _add_published_names(models: dict[str, Any]) -> None:
    for model in (VolumeSpec, Retries):
        fields = models[model.__name__]["properties"]
        for old, new in model.RENAMED.items():
            fields[old] = fields[new] | {"title": old, "description": f"An alias of {new}."}
    coefficient = {"type": "number", "minimum": 1, "maximum": 10, "description": "1 is mode fixed, more exponential."}
    models["Retries"]["properties"]["backoff_coefficient"] = coefficient


if __name__ == "__main__":
    json.dump(task_schema(), sys.stdout, indent=2)
    print()
