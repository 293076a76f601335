"""Writes what vLLM's start-up looks like: records with a process prefix and tqdm bars between them. No recording."""

import logging
import sys
import time

from tqdm import tqdm

prefix = "\x1b[1;36m(EngineCore pid=4242)\x1b[0;0m "
logging.basicConfig(
    format=prefix + "%(levelname)s %(asctime)s [%(filename)s:%(lineno)d] %(message)s",
    datefmt="%m-%d %H:%M:%S",
    level=logging.INFO,
    stream=sys.stderr,
)
log = logging.getLogger("vllm")
log.info("Initializing a V1 LLM engine with config: model='tiny', dtype=torch.bfloat16, max_seq_len=2048")
bar = "{desc}: {percentage:3.0f}% Completed | {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_fmt}]\n"
for _ in tqdm(range(4), desc=prefix + "Loading safetensors checkpoint shards", bar_format=bar, mininterval=0):
    time.sleep(0.002)
log.info("Loading weights took %.2f seconds", 0.42)
for size in tqdm(
    range(8, 0, -1), desc=prefix + "Capturing CUDA graphs (mixed prefill-decode, PIECEWISE)", mininterval=0
):
    time.sleep(0.002)
    if size == 4:
        log.warning("Graph capturing takes long")
log.info("Graph capturing finished in %d secs, took %.2f GiB", 3, 0.31)
print('{"timestamp": "2026-01-02T03:04:05Z", "level": "info", "message": "Started server process"}')
print("\x1b[32mINFO\x1b[0m:     Application startup complete.")
