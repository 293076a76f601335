"""Where boto3 is missing, a task with data from S3 is refused with what to install."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pydantic
from testbed.places import ROOT

from flow_core.agent.s3.download_launcher import _PROGRAM

_SUBMIT = """
from flow_core import Flow, Unsupported
with Flow() as flow:
    try:
        flow.submit("true", mounts={"/x": "s3://bucket/x"})
    except Unsupported as error:
        print(error)
    print(flow.list_tasks())
"""


def test_without_boto3_submit_says_what_to_install_and_creates_nothing(tmp_path):
    site = tmp_path / "site"
    site.mkdir()
    for entry in Path(pydantic.__file__).parents[1].iterdir():
        if not entry.name.startswith(("boto3", "botocore")):
            (site / entry.name).symlink_to(entry)
    path = os.pathsep.join([str(site), str(ROOT)])
    command = [sys.executable, "-S", "-c", _SUBMIT]
    run = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == [
        "data_mounts: 's3://bucket/x' needs boto3; in the checkout of flow-tui, run: uv tool install"
        " '.[fast,emulator,s3]', or: pip install '.[s3]'",
        "[]",
    ]


def test_the_download_program_reports_a_missing_boto3(tmp_path):
    root = str(ROOT)
    (tmp_path / "mounts.json").write_text('{"version": 1, "mounts": [{"s3": "s3://bucket/x"}]}')
    command = [sys.executable, "-S", "-c", _PROGRAM, root, str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith(f"failed s3://bucket/x can't be fetched: {sys.executable} has no")
