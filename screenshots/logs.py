"""Pictures of the logs pane over failed runs of this machine: ranks, cause, filters, fields, comparison, search."""

from __future__ import annotations

from local import run_tasks
from pictures import dashboard, save, until_shown

from flow_core import TaskConfig

_STEP = 'printf "2031-05-04 09:12:%02d INFO step=%d loss=0.%d lr=%s\\n" $((i % 60)) $i $((9000 - i * 7)) {lr}'
_LOOP = "for i in $(seq 1 240); do " + _STEP + "; {failure} sleep .004; done"
_TRACE = r"""[ $i = 180 ] && [ "$FLOW_NODE_RANK" = 2 ] && { cat >&2 <<'TRACE'
Traceback (most recent call last):
  File "train.py", line 88, in <module>
    main()
  File "train.py", line 61, in main
    loss = model(batch).loss
  File "model.py", line 132, in forward
    return self.embed(tokens)
ValueError: token 50300 is outside of the vocabulary
TRACE
exit 1; };"""
_SERVER = r"""i=0; while [ $((i += 1)) -le 120 ]; do
printf '{"ts":"2031-05-04T09:14:%02dZ","level":"%s","msg":"%s","request":"req-%04d","tokens":%d,"latency_ms":%d}\n' \
  $((i % 60)) $([ $((i % 40)) = 0 ] && echo warning || echo info) "request finished" $i $((i * 3)) $((40 + i % 17))
done
echo '{"ts":"2031-05-04T09:16:01Z","level":"error","msg":"the worker has ended","worker":3,"signal":"SIGKILL"}'
exit 1"""


def _train(lr: str, failure: str = "") -> str:
    return _LOOP.replace("{lr}", lr).replace("{failure}", failure)


TASKS = (
    TaskConfig(name="train-lr3", unique_name=False, command=_train("3e-4")),
    TaskConfig(name="serve", unique_name=False, command=_SERVER),
    TaskConfig(name="train-ddp", unique_name=False, command=_train("1e-4", _TRACE), num_instances=4),
)


async def take_pictures() -> None:
    async with run_tasks(TASKS, ended=True):
        async with dashboard("train-ddp") as pilot:
            await until_shown(pilot, "cause: rank 2")
            await pilot.press("l", "4", "a")
            await until_shown(pilot, "4 logs")
            await pilot.press("e")
            await until_shown(pilot, "outside of the vocabulary")
            save(pilot, "logs-ranks")
        async with dashboard("train-ddp") as pilot:
            await until_shown(pilot, "cause: rank 2")
            await pilot.press("l", "4", "C")
            await until_shown(pilot, "embed(tokens)")
            save(pilot, "logs-cause")
        async with dashboard("train-ddp") as pilot:
            await pilot.press("j", "l", "4")
            await until_shown(pilot, "req-0120")
            await pilot.press("J", "W", "greater_than_sign", "greater_than_sign")
            await until_shown(pilot, "2 lines around: 4 lines")
            save(pilot, "logs-filter")
        async with dashboard("train-ddp") as pilot:
            await pilot.press("j", "j", "l")
            await until_shown(pilot, "step=240")
            await pilot.press("D")
            await until_shown(pilot, "Compare")
            await pilot.press("enter")
            await until_shown(pilot, "equal lines")
            save(pilot, "logs-compare")
        async with dashboard("train-ddp") as pilot:
            await pilot.press("L")
            await pilot.press(*"error", "enter")
            await until_shown(pilot, "2 lines in 2 of 6 logs")
            save(pilot, "logs-search")
