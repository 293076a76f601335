"""Settings of an emulator. The platform's times are scaled down; undocumented behaviour is configurable."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Settings:
    """You may change them while the emulator runs. Times are by the emulator's clock.

    `preempt_notice_s` is five minutes on the platform, `starting_s` (from allocation to running) up to twenty,
    `price_move_s` invented; 0 keeps prices until a call sets them.
    """

    seed: int = 1
    seconds_to_allocate: float = 1.0
    starting_s: float = 1.0
    stopping_s: float = 0.5
    preempt_notice_s: float = 3.0
    relocating_s: float = 2.0
    price_move_s: float = 0.0
    page_limit: int = 20
    honours_idempotency_key: bool = True
    bid_names_are_unique: bool = False
    volumes_change_only_while_paused: bool = True
