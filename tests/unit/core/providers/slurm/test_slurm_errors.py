"""The meaning of what Slurm's commands print when they fail; the texts are those of 22.05 and 24.11."""

from __future__ import annotations

import pytest
from testbed.sentences import is_a_sentence
from testbed.tables import each

from flow_core.errors import AuthError, FlowError, NotFound, ProviderError, Unreachable
from flow_core.providers.slurm.slurm_errors import build_slurm_error, read_first_error

NO_MUNGE = """\
squeue: error: If munged is up, restart with --num-threads=10
squeue: error: Munge encode failed: Failed to access "/run/munge/munge.socket.2": No such file or directory (Did you start munged?)
squeue: error: slurm_send_node_msg: auth_g_create: REQUEST_JOB_INFO has authentication error
slurm_load_jobs error: Protocol authentication error
"""  # noqa: E501
NO_CLUSTER = """\
squeue: error: Problem talking to database
squeue: error: 'nosuch' can't be reached now, or it is an invalid entry for --cluster.  Use 'sacctmgr list clusters' to see available clusters.
"""  # noqa: E501
NO_ACCOUNTING = """\
sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:localhost:6819: Connection refused
sacct: error: Sending PersistInit msg: Connection refused
sacct: error: Problem talking to the database: Connection refused
"""  # noqa: E501
NO_CONFIGURATION = """\
sbatch: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host
sbatch: error: fetch_config: DNS SRV lookup failed
sbatch: error: _establish_config_source: failed to fetch config
sbatch: fatal: Could not establish a configuration source
"""
NO_FILE = "squeue: error: s_p_parse_file: cannot stat file /etc/slurm.conf: No such file or directory, retrying in 1sec"
NO_PLUGIN = """\
You are not running a supported accounting_storage plugin
Only 'accounting_storage/slurmdbd' is supported.
"""


@each(
    "text, error, words",
    [
        ("slurm_load_jobs error: Unable to contact slurm controller (connect failure)", Unreachable, "slurmctld"),
        ("slurm_load_partitions: Unable to contact slurm controller (connect failure)", Unreachable, "slurmctld"),
        (
            "scancel: error: Kill job error on job id 1: Unable to contact slurm controller (connect failure)",
            Unreachable,
            "slurmctld",
        ),
        ("slurm_load_jobs error: Socket timed out on send/recv operation", Unreachable, "slurmctld"),
        (
            "sbatch: error: Batch job submission failed: Slurm backup controller in standby mode",
            Unreachable,
            "slurmctld",
        ),
        (NO_MUNGE, AuthError, "Munge encode failed"),
        ("slurm_load_jobs error: Zero Bytes were transmitted or received", AuthError, "munge"),
        (NO_CLUSTER, ProviderError, "cluster 'nosuch'"),
        ("squeue: error: No cluster 'nosuch' known by database.", ProviderError, "cluster 'nosuch'"),
        (NO_ACCOUNTING, Unreachable, "slurmdbd"),
        ("Slurm accounting storage is disabled", ProviderError, "keeps no accounting"),
        (NO_PLUGIN, ProviderError, "no accounting"),
        (NO_CONFIGURATION, ProviderError, "set slurm_conf"),
        (NO_FILE, ProviderError, "set slurm_conf"),
        ("slurm_load_jobs error: Incompatible versions of client and server code", ProviderError, "another version"),
        ("squeue: error: Invalid user: ann", AuthError, "does not know your user"),
        ("sbatch: error: Batch job submission failed: Invalid user id", AuthError, "does not know your user"),
        ("slurm_load_jobs error: Invalid job id specified", NotFound, "does not know this job"),
        (
            "scontrol: error: Access/permission denied for job 7",
            AuthError,
            "does not allow this to you: Access/permission",
        ),
        ("sh: 1: squeue: not found", ProviderError, "has no command squeue; set bin_dir"),
        ("sh: line 12: sacct: command not found", ProviderError, "has no command sacct; set bin_dir"),
        ("sh: scontrol: not found", ProviderError, "has no command scontrol; set bin_dir"),
        ("mkdir: cannot create directory 'x': No space left on device", ProviderError, "no room on the disk"),
        ("squeue: error: something new in Slurm 99", ProviderError, "failed: something new in Slurm 99"),
        ("", ProviderError, "without a reason"),
        ("\x1b]0;x\x07squeue: error: \x1b[31mred", ProviderError, "failed"),
        ("x" * 10_000, ProviderError, "failed"),
    ],
)
def test_a_failure_becomes_a_sentence(text: str, error: type[FlowError], words: str) -> None:
    built = build_slurm_error(text.encode(), "login node 'lab'")
    assert type(built) is error
    assert words in str(built)
    assert is_a_sentence(built)


@each(
    "text, line",
    [
        ("", ""),
        ("\n\n", ""),
        ("welcome\nsbatch: error: Batch job submission failed: no", "Batch job submission failed: no"),
        ("srun: fatal: No command given", "No command given"),
        ("slurm_load_node error: Invalid node name", "slurm_load_node error: Invalid node name"),
        ("just this", "just this"),
    ],
)
def test_the_first_error_is_read_without_the_name_of_the_command(text: str, line: str) -> None:
    assert read_first_error(text) == line


def test_bytes_that_are_no_text_are_read_too() -> None:
    with pytest.raises(ProviderError, match="failed"):
        raise build_slurm_error(b"squeue: error: \xff\xfe", "this machine")
