"""The memory of a dashboard with 10,000 tasks and a log open, beside other programs."""

from __future__ import annotations

from contextlib import ExitStack

from bench import peers
from bench.bench_start import EMPTY
from bench.ended_tasks import ended_world
from bench.painted import picture, rss_mb, wait_shown, watch
from bench.table import Row, median
from bench.world import Environment, dashboard
from testbed.pty_screen import Screen

ROUNDS = 5
ENDED = 10_000
SETTLE_S = 4.0


def measure() -> list[Row]:
    """Interleaved; the first round is thrown away."""
    with ended_world(ENDED, "-memory") as world:
        rounds = [_round(world) for _ in range(ROUNDS + 1)][1:]
    mb = {name: median(one[name] for one in rounds) for name in rounds[0]}
    others = ", ".join(f"{name} {mb[name] / mb['empty']:.1f}x" for name in ("posting", "harlequin", "toolong"))
    note = f"{mb['ours']:.0f}/{mb['empty']:.0f} MB; {others}"
    return [Row("RSS, 10,000 tasks and a log open, of an empty app", mb["ours"] / mb["empty"], 2.5, "x", note)]


def _round(world: Environment) -> dict[str, float]:
    alone = world | peers.ALONE
    argvs = {
        "empty": [peers.python_of(peers.TEXTUAL), "-c", EMPTY],
        "posting": [peers.program_of(peers.POSTING, "posting")],
        "harlequin": [peers.program_of(peers.HARLEQUIN, "harlequin")],
        "toolong": [peers.program_of(peers.TOOLONG, "tl"), __file__],
    }
    with ExitStack() as stack:
        ours = stack.enter_context(dashboard(world))
        wait_shown(ours, "past-9999")
        ours.send("l")
        wait_shown(ours, "loss 0.5")
        screens = {name: stack.enter_context(Screen(argv, alone)) for name, argv in argvs.items()}
        watch([ours, *screens.values()], SETTLE_S)
        assert f" of {ENDED:,} " in picture(ours), picture(ours)
        assert "an empty app" in picture(screens["empty"])
        return {"ours": rss_mb(ours.pid)} | {name: rss_mb(screen.pid) for name, screen in screens.items()}
