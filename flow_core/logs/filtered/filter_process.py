"""The child process of a filter."""

from __future__ import annotations

import json
from collections.abc import Sequence

from flow_core.agent.spool import SpoolFiles
from flow_core.logs.filtered.line_filter import LogFilters
from flow_core.logs.search.search_process import ScanProcess

_WORKER = "flow_core.logs.filtered.worker"


class FilterProcess(ScanProcess):
    """A child process that finds the lines of one log that pass filters.

    It writes their offsets to the files `output`; it begins near the offset `start_near` (None: at the end).
    """

    def __init__(
        self,
        files: SpoolFiles,
        filters: LogFilters,
        stream: int | None,
        *,
        expands_redraws: bool = False,
        output: Sequence[int] = (),
        start_near: int | None = None,
    ) -> None:
        options = {
            **filters.to_json(),
            **{"log": str(files.log), "sidecar": str(files.sidecar), "stream": stream, "output": list(output)},
            **{"expands_redraws": expands_redraws, "start_near": start_near},
        }
        super().__init__(_WORKER, json.dumps(options), pass_fds=output)
