"""The fields of instance types in filters. The first name of a field is that of its column."""

from __future__ import annotations

from flow_core.filters.amounts import parse_number
from flow_core.filters.row_filter import AmountField, FilterField, TextField
from flow_core.models.instance import AvailableInstance


def _read_gpu(instance: AvailableInstance) -> str:
    if not instance.gpu_count:
        return instance.instance_type
    return f"{instance.gpu_type or 'gpu'}\n{instance.gpu_count}x{instance.gpu_type or 'gpu'}"


INSTANCE_FIELDS: tuple[FilterField[AvailableInstance], ...] = (
    TextField(("type",), lambda instance: instance.instance_type),
    TextField(("gpu",), _read_gpu),
    TextField(("context",), lambda instance: instance.context),
    TextField(("region",), lambda instance: instance.region),
    TextField(("host", "about"), lambda instance: instance.description),
    AmountField(("free",), lambda instance: instance.free_gpus, parse_number),
    AmountField(("vram",), lambda instance: instance.gpu_memory_gb, parse_number),
    AmountField(("cpus",), lambda instance: instance.cpu_count, parse_number),
    AmountField(("ram",), lambda instance: instance.memory_gb, parse_number),
    AmountField(("price",), lambda instance: instance.price_per_hour, parse_number),
)
