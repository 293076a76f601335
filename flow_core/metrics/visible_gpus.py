"""Pure: of a machine's GPUs, those that a task may use."""

from __future__ import annotations

from dataclasses import replace

from flow_core.models.metrics import GpuSample, MachineSample


def select_visible_gpus(sample: MachineSample, visible: str | None) -> MachineSample:
    """The sample without the GPUs, and their processes, that CUDA_VISIBLE_DEVICES hides. None hides nothing.

    A GPU comes with its slices, a slice with its GPU: power and temperature are measured there only.
    """
    if visible is None:
        return sample
    wanted = [word.strip() for word in visible.split(",")]
    named = [gpu for gpu in sample.gpus if any(_is(gpu, word) for word in wanted)]
    whole = {gpu.index for gpu in named if gpu.mig_index is None}
    partly = {gpu.index for gpu in named}
    kept = tuple(
        gpu
        for gpu in sample.gpus
        if gpu.index in whole or (gpu in named) or (gpu.mig_index is None and gpu.index in partly)
    )
    uuids = {gpu.uuid for gpu in kept}
    return replace(
        sample, gpus=kept, processes=tuple(process for process in sample.processes if process.gpu_uuid in uuids)
    )


def _is(gpu: GpuSample, word: str) -> bool:
    """By number, or by UUID; a GPU's may be abbreviated."""
    if word.isascii() and word.isdigit():
        return gpu.mig_index is None and str(gpu.index) == (word.lstrip("0") or "0")
    return word.startswith(("GPU-", "MIG-")) and gpu.uuid.startswith(word)
