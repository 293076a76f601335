"""Two nested bars that stay, then two whose inner bar is removed when it is complete."""

import time

from tqdm import trange

for leave in (True, False):
    outer = trange(3, desc="epochs", mininterval=0)
    for epoch in outer:
        inner = trange(5, desc=f"steps {epoch}", leave=leave, mininterval=0)
        for step in inner:
            inner.set_postfix(loss=f"{1 / (1 + epoch + step):.3f}")
            time.sleep(0.005)
print("saved checkpoint")
