"""Bars and spinners of backspaces."""

import sys
import time


def draw(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
    time.sleep(0.002)


for epoch in (1, 2):
    print(f"Epoch {epoch}/2")
    width = 0
    for step in range(1, 11):
        bar = f"{step:2d}/10 [{'=' * step}{'>' * (step < 10)}{'.' * (9 - step)}] - loss: {1 / (step + epoch):.4f}"
        draw("\b" * width + bar)
        width = len(bar)
    draw("\n")
draw("loading ")
for frame in "|/-\\" * 5:
    draw(frame + "\b")
draw("ok\nwide 進捗 ")
for count in range(3):
    draw(f"{count}回\b\b\b")
draw("終\n")
