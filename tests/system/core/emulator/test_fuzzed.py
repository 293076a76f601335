"""A fuzzer for OpenAPI finds nothing that differs from the description and the allowed deviations."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest
from testbed.api_description import Description, with_deviations
from testbed.api_deviations import DECLARED_FAILURES, UNFIT_CHECKS
from testbed.furnished_emulator import Furnishing, Words, furnish
from testbed.properties import EXPLORE, SEED

from flow_core.emulator.emulator import Emulator
from flow_core.emulator.settings import Settings

IS_EXPLORING = EXPLORE in os.environ
EXAMPLES = 12 if IS_EXPLORING else 1  # besides those of the description and of its limits
WITHIN_S = 300
MOSTLY = 0.8
PHASES = ("examples", "coverage", "fuzzing")  # in which it would delete what it has seen elsewhere


def configure(folder: Path, furnishing: Furnishing) -> Path:
    """The fuzzer's settings: mostly words that name something, where they belong."""
    dictionaries: list[str] = []

    def table(words: Words) -> str:
        rows = []
        for place, values in words.items():
            rows.append(f'"{place}" = {{ dictionary = "w{len(dictionaries)}", probability = {MOSTLY} }}')
            dictionaries.append(f"[dictionaries.w{len(dictionaries)}]\nvalues = {json.dumps(values)}")
        return "\n".join(rows)

    fine = ["2xx", "3xx", "4xx", *DECLARED_FAILURES]
    lines = [f"[checks]\nnot_a_server_error.expected-statuses = {json.dumps(fine)}"]
    lines += [f"[parameters]\n{table(furnishing.words)}"]
    for operation, words in furnishing.words_of.items():
        lines += [f'[[operations]]\ninclude-name = "{operation}"\n[operations.parameters]\n{table(words)}']
        lines += [f"[operations.phases.{phase}.extra-data-sources]\nresponses = false" for phase in PHASES]
    file = folder / "schemathesis.toml"
    file.write_text("\n".join([*lines, *dictionaries]), encoding="utf-8")
    return file


async def fuzz(emulator: Emulator, folder: Path) -> tuple[int | None, str]:
    """Its exit status and its output."""
    described = folder / "described.json"
    document = json.loads(Path(os.environ["FLOW_MITHRIL_OPENAPI"]).read_text(encoding="utf-8"))
    described.write_text(json.dumps(with_deviations(document)), encoding="utf-8")
    config = configure(folder, await furnish(emulator))
    command = [Path(sys.executable).with_name("schemathesis"), f"--config-file={config}", "run", described]
    command += ["--url", emulator.url, "--header", f"Authorization: Bearer {emulator.api_key}"]
    command += ["--seed", str(SEED + 1), "--max-examples", str(EXAMPLES), "--generation-database", "none", "--no-color"]
    command += ["--exclude-checks", ",".join(UNFIT_CHECKS), "--continue-on-failure", "--suppress-health-check", "all"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        async with asyncio.timeout(WITHIN_S):
            output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, output.decode()


def never_done(emulator: Emulator) -> set[tuple[str, str]]:
    """Operations of which every call was refused."""
    description = Description(Path(os.environ["FLOW_MITHRIL_OPENAPI"]))
    done = {description.operation_of(call.method, call.path) for call in emulator.calls if call.status < 300}
    return set(description.operations) - done


@pytest.mark.hypothesis  # `make fuzz` runs it too
@pytest.mark.needs("openapi")
async def test_a_fuzzer_finds_no_violation_of_the_description(tmp_path: Path) -> None:
    settings = Settings(seconds_to_allocate=0, starting_s=0, volumes_change_only_while_paused=False)
    async with Emulator(settings) as emulator:
        status, output = await fuzz(emulator, tmp_path)
    assert status == 0, output
    assert IS_EXPLORING or never_done(emulator) == set()
