"""A run that is stored on this machine."""

import time

import wandb

run = wandb.init(project="tiny", settings=wandb.Settings(disable_git=True, x_disable_stats=True, host="node"))
for step in range(10):
    run.log({"loss": 1 / (1 + step), "step": step})
    time.sleep(0.02)
run.finish()
