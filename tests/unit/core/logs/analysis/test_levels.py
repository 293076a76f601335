# ruff: noqa: E501 (the lines are as long as the programs write them)
"""Levels of lines in the formats of this field, and no level for ordinary text."""

from __future__ import annotations

import re
import time

from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples
from testbed.tables import each

from flow_core.logs.analysis.error_pattern import ERROR_PATTERN
from flow_core.logs.analysis.levels import LogLevel, find_level

LINES = {
    LogLevel.CRITICAL: [
        "FATAL: password authentication failed",
        "thread 'main' panicked at src/main.rs:2:5:",
        "Segmentation fault (core dumped)",
        "Fatal Python error: Segmentation fault",
        "terminate called after throwing an instance of 'c10::Error'",
        "fatal: not a git repository",
    ],
    LogLevel.ERROR: [
        "ERROR:root:could not open the file",
        "2024-01-02 03:04:05,678 - trainer - ERROR - checkpoint is corrupt",
        "2024-01-02 03:04:05,678 trainer ERROR lost a worker",
        "2024-01-02 03:04:05.678 | ERROR    | trainer:step:12 - loss is nan",
        "E0102 03:04:05.123456 4242 torch/distributed/elastic/multiprocessing/api.py:874] failed (exitcode: 1) local_rank: 2 (pid: 77) of binary: /usr/bin/python",
        "[rank3]:[E1206 18:44:12.715298746 ProcessGroupNCCL.cpp:607] [Rank 3] Watchdog caught collective operation timeout",
        "[E ProcessGroupNCCL.cpp:737] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=9)",
        "ERROR 01-02 03:04:05 [engine.py:12] EngineCore failed to start.",
        '(EngineCore_0 pid=123) ERROR 01-02 03:04:05 [core.py:396]   File "/x/core.py", line 1, in run',
        "ERROR:    Exception in ASGI application",
        '{"level":"error","msg":"nan loss","step":420}',
        '{"level":50,"time":1712345678,"msg":"engine died"}',
        'time=2024-01-02T03:04:05Z level=error msg="could not pull"',
        "kernel: NVRM: Xid (PCI:0000:cb:00): 79, pid=1797828, name=python, GPU has fallen off the bus.",
        "[ 391.163575] NVRM: Xid (PCI:0000:01:00): 31, Ch 00000013",
        "Aug 17 18:42:18 gpu4 kernel: NVRM: Xid (PCI:0000:cb:00): 48, DBE",
        "Aug 17 18:42:18 gpu4 kernel: Out of memory: Killed process 4242 (python) total-vm:1kB",
        "2024-01-02T03:04:05.123456Z ERROR shard-manager: text_generation_launcher: out of memory",
        "error[E0433]: failed to resolve: use of undeclared crate",
        "Traceback (most recent call last):",
        "[rank2]: Traceback (most recent call last):",
        "Killed",
        "train.sh: line 12:  4242 Killed                  python train.py",
        "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB.",
        "[rank2]: ValueError: shapes differ",
        "AssertionError",
        "srun: error: gpu4: task 0: Out Of Memory",
        "slurmstepd: error: *** JOB 12 ON gpu4 CANCELLED AT 2024-01-02T03:04:05 DUE TO TIME LIMIT ***",
        "bash: torchrun: command not found",
        "train.cu:12:5: error: expected a ;",
        "[2023-04-14 13:11:27,885] [ERROR] [launch.py:434:sigkill_handler] ['python', 'main.py'] exits with return code = -9",
        "[TensorRT-LLM][ERROR] out of memory",
        "[NeMo E 2024-01-02 03:04:05 nemo:12] failed",
        "[2024-01-02 03:04:05,123 E 4242 4300] (raylet) node_manager.cc:3000: 1 workers killed",
        "npm ERR! code ENOENT",
        "E       assert 1 == 2",
        "[2026-01-02 03:04:06 TP0] Scheduler hit an exception: Traceback (most recent call last):",
        "2024/01/02 03:04:05 [error] 12#12: *1 open() failed",
        "24/01/02 03:04:05 ERROR Executor: lost",
        "wandb: ERROR Run initialization has timed out",
        "2024-01-02 03:04:05.123456: E tensorflow/compiler/xla/stream_executor/cuda/cuda_dnn.cc:9342] Unable to register cuDNN factory",
        "vllm-1  | ERROR 01-02 03:04:05 [core.py:1] died",
        "[2024-02-27T21:35:32.106313Z] fa88a9df || ERROR: torch.distributed.elastic.multiprocessing.api:failed (exitcode: 1)",
        "2026-01-02 03:04:30 ERROR dataloader worker 3 died",
        "OSError: [Errno 28] No space left on device",
        "main.py: error: unrecognized arguments: --foo",
    ],
    LogLevel.WARNING: [
        "WARNING:py.warnings:deprecated",
        "W0102 03:04:05.123000 4242 site-packages/torch/distributed/run.py:792] master port is in use",
        "[rank0]:[W318 08:42:30.204625808 ProcessGroupGloo.cpp:715] Warning: Unable to resolve hostname",
        "node1:4242:4300 [1] misc/socket.cc:49 NCCL WARN socketProgress: Connection closed by remote peer node2<4242>",
        "(APIServer pid=1) WARNING 01-02 03:04:05 [api.py:1] slow",
        '{"time": "2024-01-02T03:04:05Z", "severity": "WARNING", "message": "ERROR: not this"}',
        'ts=1712345678 caller=main.go:12 level=warn msg="0 errors"',
        "[2024-01-02T03:04:05Z WARN  router::server] slow",
        "warning: unused variable: `x`",
        "/usr/lib/python3/site.py:12: UserWarning: old",
        "train.cc:12:5: warning: unused",
        "[WARNING|logging.py:314] 2024-01-02 03:04:05,123 >> use_cache is incompatible",
        "[TRT-LLM] [W] slow",
        "           WARNING  slow disk                                            train.py:13",
        "[W socket.cpp:601] [c10d] The client socket has failed",
    ],
    LogLevel.INFO: [
        "2024-01-02 03:04:05,678 - trainer.loop - INFO - no error so far",
        "2024-01-02 03:04:05.678 | SUCCESS  | trainer:step:12 - saved",
        "I0102 03:04:05.123456 140 server.cc:12] listening",
        "node1:4242:4300 [1] NCCL INFO Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM",
        "INFO 01-02 03:04:05 api_server.py:719] args: Namespace(host=None)",
        '(APIServer pid=1) INFO:     10.0.0.1:52 - "GET /health HTTP/1.1" 200 OK',
        'INFO:     127.0.0.1:41034 - "POST /v1/chat/completions HTTP/1.1" 500 Internal Server Error',
        '{"lvl":"info","error":0.1}',
        "2024-01-02T03:04:05.123456Z  INFO text_generation_router: src/main.rs:12: ready",
        "[2023-04-14 13:11:27,885] [INFO] [launch.py:428:sigkill_handler] Killing subprocess 13266",
        "[INFO|trainer.py:123] 2024-01-02 03:04:05,123 >> ***** Running training *****",
        "[03:04:05] INFO     loaded the model                                    train.py:12",
        "2024-01-02 03:04:05,123\tINFO worker.py:1234 -- Started a local Ray instance.",
        "01/02/2024 03:04:05 - INFO - __main__ -   Num examples = 12",
        "2026-01-02 03:00:00 INFO step=1 {'loss': 0.1, 'error': 0.2}",
    ],
    LogLevel.DEBUG: [
        "[2024-01-02 03:04:05,678][trainer][DEBUG] - shapes match",
    ],
}
ORDINARY = [
    "0 errors",
    "error_rate: 0.1",
    "{'loss': 0.5, 'error': 0.2}",
    "no error",
    "error: 0.25",
    "val: error: 0.25",
    "MeanAbsoluteError: 0.12",
    "step 12 loss 0.5 ERROR_RATE=0.1",
    "tests: 12 passed, 0 ERRORS",
    "Found ERROR in the text of the prompt",
    "the error is below the threshold",
    "level: 10",
    "set MAX_ERROR=3 and DEBUG=1",
    " 10%|#   | 1/10 [00:01<00:09,  1.00it/s, error=0.3]",
    "loading /data/ERROR/train.bin",
    'echo "ERROR: this is quoted"',
    "0 ERROR found",
    '  File "/x/errors.py", line 12, in raise_error',
    '    raise ValueError("x")',
    "training with WARNING as label",
    "[1/3] INFORMATION RETRIEVAL",
    "",
    "   ",
    "Error 404 pages were 3 % of the crawl",
    "Epoch 3: 100%|####| 10/10 [00:01<00:00, v_num=3, error=0.12]",
    "",
    "   ",
]
NOT_IN_THE_PATTERN = ("thread 'main' panicked", "terminate called")


@each(("level", "line"), [(level, line) for level, lines in LINES.items() for line in lines])
def test_the_level_of_a_line_is_found(level: LogLevel, line: str) -> None:
    assert find_level(line) is level


@each("line", ORDINARY)
def test_an_ordinary_line_has_no_level(line: str) -> None:
    assert find_level(line) is None


@each("line", [line for level, lines in LINES.items() if level.is_error for line in lines])
def test_the_pattern_finds_every_error_in_text_and_in_bytes(line: str) -> None:
    is_expected = not line.startswith(NOT_IN_THE_PATTERN)
    block = f"step 1\n{line}\nstep 2\n"
    found = re.search(ERROR_PATTERN, block, re.MULTILINE)
    in_bytes = re.search(ERROR_PATTERN.encode(), block.encode(), re.MULTILINE)
    assert bool(found) is bool(in_bytes) is is_expected
    if found:
        assert len("step 1\n") <= found.start() < len(block) - len("step 2\n")


PARTS = (
    *(
        "ERROR",
        "FATAL",
        "CRITICAL",
        "error",
        "Error",
        "fatal",
        "panic",
        "Exception",
        "ValueError",
        "E0102 03:04:05.1 1 a:1]",
    ),
    *(
        "[E x.cpp:1]",
        "[ERROR]",
        "[error]",
        "[E]",
        "level=error",
        '"level":"error"',
        '{"level":50}',
        "severity: fatal",
        "Killed",
    ),
    *(
        "Aborted",
        "Segmentation fault",
        "Traceback (most recent call last):",
        "NVRM: Xid",
        "command not found",
        "2026-01-02",
    ),
    *(
        "03:04:05",
        "[rank1]:",
        "(x pid=1)",
        "INFO",
        "name",
        "a.b",
        "12",
        "-",
        "|",
        ":",
        ":",
        " ",
        " ",
        " ",
        ": ",
        ",",
        "=",
        '"',
    ),
)


@given(st.lists(st.sampled_from(PARTS), max_size=7).map("".join))
@limit_examples(120)
def test_the_pattern_finds_whatever_is_an_error(line: str) -> None:
    level = find_level(line)
    if level is not None and level.is_error:
        assert re.search(ERROR_PATTERN, f"step\n{line}\nstep", re.MULTILINE)


def test_the_pattern_finds_coloured_errors_in_bytes() -> None:
    for line in (b"\x1b[31mERROR\x1b[0m: disk full", b"\x1b[mCRITICAL x", b"\x1b[1;31mValueError: x\x1b[0m"):
        assert re.search(ERROR_PATTERN.encode(), line, re.MULTILINE)


def test_the_pattern_stops_at_few_ordinary_lines() -> None:
    block = "\n".join([*ORDINARY, *LINES[LogLevel.DEBUG], *LINES[LogLevel.WARNING]])
    found = [block[block.rfind("\n", 0, hit.start()) + 1 :] for hit in re.finditer(ERROR_PATTERN, block, re.MULTILINE)]
    assert [line.split("\n")[0] for line in found] == ["Found ERROR in the text of the prompt", "0 ERROR found"]


@given(st.text(max_size=300) | st.text("EWI[]0123456789:. |-(){}\"'=errolvnigwaERROR", max_size=300))
def test_any_text_has_a_level_or_none(text: str) -> None:
    assert find_level(text) in (None, *LogLevel)


def test_a_line_of_any_length_takes_no_longer_than_a_short_one() -> None:
    hostile = ["[" * 100_000, "a-" * 50_000, "0: " * 50_000, "(" * 400 + "ERROR", "x: " * 200 + "ERROR", "1:" * 5000]
    start = time.thread_time()
    for line in hostile:
        find_level(line)
        find_level(line + " ERROR")
    assert time.thread_time() - start < 0.5
