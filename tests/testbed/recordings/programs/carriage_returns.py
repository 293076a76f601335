"""A bar of carriage returns alone, one that becomes shorter, and one that no line feed ends."""

import sys
import time

for step in range(1, 31):
    sys.stdout.write(f"\rstep {step}/30 " + "#" * step)
    sys.stdout.flush()
    time.sleep(0.002)
sys.stdout.write("\rshort\n\x1b[32mcount\x1b[0m down: ")
for left in (100, 10, 9, 1):
    sys.stdout.write(f"\rcount down: {left}")
sys.stdout.write("\n")
for percent in range(0, 100, 7):
    sys.stdout.write(f"\r\x1b[K{percent}%")
    sys.stdout.flush()
