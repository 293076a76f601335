"""Finding the cause of a failure in logs that are on other machines."""

from __future__ import annotations

from pathlib import Path

from testbed.hosts_lab import Lab, ended, submit

from flow_core.client.failure_logs import report_failure

COMMAND = """\
echo step 1
test "$NODE_RANK" = 1 || { sleep 0.5; echo "ERROR: lost a peer"; exit 1; }
echo "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB."
exit 1
"""


async def test_the_logs_of_all_machines_are_read_and_one_that_does_not_answer_is_named(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    try:
        provider = lab.start(2)
        first, second = [await submit(provider, COMMAND, name=name, num_instances=2) for name in ("one", "two")]
        first, second = [await ended(provider, task) for task in (first, second)]
        report = await report_failure(provider.logs, first, None)
        assert report.cause is not None
        assert (report.cause.rank, report.cause.kind) == (1, "CUDA out of memory")
        assert ([log.rank for log in report.read], report.not_read) == ([0, 1], ())

        lab.servers[1].stop()
        assert await report_failure(provider.logs, first, 0) == report  # its logs are on this machine now
        report = await report_failure(provider.logs, second, 0, arrival_s=1.0)
        assert (len(report.read), len(report.not_read)) == (1, 1)
        assert {log.rank for log in (*report.read, *report.not_read)} == {0, 1}
    finally:
        await lab.close()
