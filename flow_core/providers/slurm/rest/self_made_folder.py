"""The lines of a batch script that make the folder of its task, because no client can do it."""

from __future__ import annotations

import re
from importlib.resources import files

from flow_core.providers.slurm.cluster_path import quote_path
from flow_core.providers.slurm.run_folder import RUNS, Submission
from flow_core.providers.slurm.submit.environment import quote

RUN_MARK, HOME_MARK = "@the-run-folder@", "@the-home@"
"""What stands for these paths in a Submission until the script runs. No path of a user is written so."""
_NAME = re.compile(r"@([A-Z]+)@")


def add_folder_lines(script: str, enter_script: str, submission: Submission, folder: str, key: str) -> str:
    """Returns the script with lines that first make the folder `folder`/runs/`key` with the files of the submission."""
    root = quote_path(folder)
    record = quote(submission.to_json())
    for mark, variable in ((RUN_MARK, "json_run"), (HOME_MARK, "json_home")):
        record = record.replace(mark, f"'\"${variable}\"'")
    parts = {
        "RUN": f"{root}/{RUNS}/{key}",
        "ROOT": root,
        "END": f"END_{key}",
        "ENTER": enter_script.removesuffix("\n"),
        "SUBMISSION": record,
    }
    template = (files(__package__) / "make_folder.sh").read_text("utf-8")
    head, _, body = script.partition("\n\n")
    return f"{head}\n\n{_NAME.sub(lambda found: parts[found[1]], template)}{body}"
