"""Two ranks that log at the same time. With the word `fail` rank 1 raises an error."""

import os
import sys
import time

import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank = dist.get_rank()
for step in range(5):
    loss = torch.ones(1) * (rank + 1) / (step + 1)
    dist.all_reduce(loss)
    print(f"[rank{rank}] step {step} loss {loss.item():.4f}", flush=True)
    time.sleep(0.01)
    if "fail" in sys.argv and rank == 1 and step == 3:
        raise RuntimeError("loss is not finite")
dist.destroy_process_group()
os.write(1, f"rank {rank} ended\n".encode())
