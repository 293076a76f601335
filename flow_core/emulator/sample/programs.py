"""Startup scripts of the sample's machines, and programs that print the output of a training."""

from __future__ import annotations

import base64
from datetime import datetime

# The format of flow's startup scripts: the second line says that all paths begin with $FLOW_NODE_ROOT, and the records
# are at the paths that those scripts use. A later boot continues the same program.
_SCRIPT = """\
#!/bin/bash
# flow-startup v1
COMMAND={command}
root="${{FLOW_NODE_ROOT:-}}"
lib="$root/var/lib/flow" logs="$root/var/log/flow"
mkdir -p "$lib" "$logs" "$root/workspace"
printf '#!/bin/bash\\ncd %q || exit 126\\nexec bash "${{@:--l}}"\\n' "$root/workspace" >"$lib/enter"
base64 -d <<<{program} >"$lib/program"
printf 'cd %q && exec bash %q >>%q 2>&1\\n' "$root/workspace" "$lib/program" "$logs/attempt-0.log" >"$lib/run_task.sh"
chmod 755 "$lib/enter"
echo 0 >"$lib/attempt"
echo {began_at} >"$lib/started-0"
{ending}
"""
_GOES_ON = """\
if [ -z "$root" ]; then
  printf '[Service]\\nExecStart=/bin/bash /var/lib/flow/run_task.sh\\n' >/etc/systemd/system/flow-workload.service
  systemctl enable --now flow-workload
else
  setsid bash "$lib/run_task.sh" </dev/null >/dev/null 2>&1 &
fi"""
_NOW = "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
_IS_OVER = """\
bash "$lib/run_task.sh"
printf 'EXIT_CODE={code}\\nEXITED_AT={ended_at}\\nATTEMPT=0\\nREASON=\\n' >"$lib/workload-exit\""""

# A bar that redraws itself within a line, as tqdm's does; a separate line for each epoch. Steps that were done before
# the machine went away are not repeated.
_TRAIN = """\
case $(hostname) in *-2) rank=1 ;; *) rank=0 ;; esac
echo "[rank $rank] {setup}"
done=$(cat step 2>/dev/null || echo {done})
[ ! -e step ] || echo "resuming from checkpoint at step $done"
python() {{  # what such work is called among the programs on the GPUs; busybox goes by its name
  case $(readlink -f "$(command -v awk)") in */busybox) exec awk "$@" ;; esac
  exec -a python3 awk "$@"
}}
python -v done="$done" -v per_epoch={per_epoch} -v epochs={epochs} -v tokens={tokens} '
function loss(i) {{ return {floor} + {height} / (1 + i / {half}) + .03 * sin(i * 12.9898) + .02 * sin(i * 4.1414) }}
function bar(share, text, i) {{
  text = ""
  for (i = 1; i <= 20; i++) text = text (i <= share * 20 ? "\u2588" : "\u2591")
  return text
}}
function clock(s) {{ return sprintf("%02d:%02d", s / 60, s % 60) }}
BEGIN {{
  for (i = 1; i <= per_epoch * epochs; i++) {{
    n = (i - 1) % per_epoch + 1; e = int((i - 1) / per_epoch) + 1
    if (i > done || n == per_epoch)
      printf "Epoch %d/%d: %3d%%|%s| %d/%d [%s<%s, loss=%.4f, lr=%.2e, tok/s=%.1fk]%s", e, epochs, 100 * n / per_epoch,
        bar(n / per_epoch), n, per_epoch, clock(n * 2), clock((per_epoch - n) * 2), loss(i),
        3e-4 * (1 + cos(3.14159 * i / (per_epoch * epochs))) / 2, tokens * (1 + .02 * sin(i)),
        n == per_epoch ? "\\n" : "\\r"
    if (n == per_epoch)
      printf "eval: epoch %d val_loss=%.4f; checkpoint saved to /checkpoints/epoch-%d\\n", e, loss(i) * 1.04, e
    if (i > done) {{ fflush(); print i >"step"; close("step"); system("sleep 2") }}
  }}
}}'
"""
_DONE = """\
echo "reading 128 shards of /datasets/web-en"
awk 'BEGIN {
  for (i = 1; i <= 128; i++)
    printf "shard %03d of 128: %d documents, %.1fM tokens\\n", i, 48000 + i * 7919 % 4001, 41 + i * 37 % 90 / 10
}'
echo "done: 6.3M documents, 5.8B tokens in 51 min"
"""
_FAILS = """\
echo "loading checkpoint /checkpoints/epoch-3 (bf16, 8.0B parameters)"
echo "Evaluating mmlu:  34%|\u2588\u2588\u2588\u2588\u2588\u2588\u258a             | 4821/14042 [11:02<21:07, 7.28it/s]"
cat >&2 <<'END'
Traceback (most recent call last):
  File "/workspace/eval.py", line 142, in <module>
    main()
  File "/workspace/eval.py", line 97, in main
    scores = evaluate(model, tasks[name], batch_size=args.batch_size)
  File "/workspace/eval.py", line 61, in evaluate
    logits = model(batch["input_ids"], attention_mask=batch["mask"]).logits
torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 3.91 GiB. GPU 0 has 2.64 GiB free.
END
"""


def build_training_program(
    setup: str, *, done: int, tokens: float, per_epoch: int = 400, epochs: int = 10, floor: float = 1.7, half: int = 350
) -> str:
    """Returns a program that takes two seconds for a step and starts after `done` steps."""
    return _TRAIN.format(
        **{"setup": setup, "done": done, "tokens": tokens, "per_epoch": per_epoch, "epochs": epochs},
        **{"floor": floor, "height": 8.9 - floor, "half": half},
    )


def build_running_script(command: str, program: str, began_at: datetime | None = None) -> str:
    """Returns the startup script of a task that runs since `began_at`, or since its start."""
    return _script(command, program, began_at, _GOES_ON)


def build_succeeded_script(command: str, began_at: datetime, ended_at: datetime) -> str:
    """Returns the startup script of a task that succeeded."""
    return _script(command, _DONE, began_at, _IS_OVER.format(code=0, ended_at=_stamp(ended_at)))


def build_failed_script(command: str, began_at: datetime, ended_at: datetime) -> str:
    """Returns the startup script of a task that ended with a traceback."""
    return _script(command, _FAILS, began_at, _IS_OVER.format(code=1, ended_at=_stamp(ended_at)))


def _script(command: str, program: str, began_at: datetime | None, ending: str) -> str:
    return _SCRIPT.format(
        command=_text64(command),
        program=_text64(program),
        began_at=_stamp(began_at) if began_at else _NOW,
        ending=ending,
    )


def _stamp(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _text64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
