"""A bar that is removed at its end, with log records that break it and log records that go around it."""

import logging
import time

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO)
log = logging.getLogger("train")
for step in tqdm(range(6), desc="broken", leave=False, mininterval=0):
    time.sleep(0.005)
    if step % 2:
        log.info("step %d in the middle of the bar", step)
with logging_redirect_tqdm():
    for step in tqdm(range(6), desc="redirected", leave=False, mininterval=0, colour="green"):
        time.sleep(0.005)
        if step % 2:
            log.warning("step %d above the bar", step)
for step in tqdm(range(4), desc="written", leave=True, mininterval=0):
    tqdm.write(f"step {step} by tqdm.write")
log.info("finished")
