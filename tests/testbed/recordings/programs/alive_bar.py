"""A bar that moves by itself, with messages above it and a text that changes."""

import time

from alive_progress import alive_bar

with alive_bar(40, title="files", dual_line=True) as bar:
    for number in range(40):
        time.sleep(0.02)
        bar.text = f"-> shard {number}"
        bar()
        if number % 15 == 7:
            print("shard", number, "was corrupt")
