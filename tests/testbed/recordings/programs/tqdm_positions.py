"""Four bars at fixed positions, as the workers of a data loader draw them, and a bar below that ends early."""

import time

from tqdm import tqdm

bars = [tqdm(total=30, desc=f"worker {rank}", position=rank, mininterval=0, leave=rank != 2) for rank in range(4)]
for step in range(30):
    for rank in (3, 0, 2, 1):
        bars[rank].update(1)
        time.sleep(0.002)
    if step == 9:
        tqdm.write("a line from a worker")
for bar in bars:
    bar.close()
early = tqdm(total=10, desc="stopped", mininterval=0)
early.update(3)
early.close()
print("\n" * 3 + "done")
