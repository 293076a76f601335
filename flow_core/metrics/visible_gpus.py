"""Selects the GPUs that a task may use. Pure functions."""

from __future__ import annotations

from dataclasses import replace

from flow_core.models.metrics import GpuSample, MachineSample


def select_visible_gpus(sample: MachineSample, visible: str | None) -> MachineSample:
    """Returns the sample without the GPUs, and their processes, that CUDA_VISIBLE_DEVICES hides. None hides nothing.

    A GPU includes its slices. A slice includes its GPU, because only the GPU reports power and temperature.
    """
    if visible is None:
        return sample
    words = [word.strip() for word in visible.split(",")]
    named = [gpu for gpu in sample.gpus if any(_matches(gpu, word) for word in words)]
    whole = {gpu.index for gpu in named if gpu.mig_index is None}
    with_slices = {gpu.index for gpu in named}
    visible_gpus = tuple(
        gpu
        for gpu in sample.gpus
        if gpu.index in whole or (gpu in named) or (gpu.mig_index is None and gpu.index in with_slices)
    )
    uuids = {gpu.uuid for gpu in visible_gpus}
    return replace(
        sample, gpus=visible_gpus, processes=tuple(process for process in sample.processes if process.gpu_uuid in uuids)
    )


def _matches(gpu: GpuSample, word: str) -> bool:
    """Returns whether a word names the GPU: by index, by UUID, or by the beginning of a UUID."""
    if word.isascii() and word.isdigit():
        return gpu.mig_index is None and str(gpu.index) == (word.lstrip("0") or "0")
    return word.startswith(("GPU-", "MIG-")) and gpu.uuid.startswith(word)
