"""Pictures of the dashboard over the sample project of the emulated cloud."""

from __future__ import annotations

from pictures import dashboard, save, until_shown

from flow_tui.demo import demo


async def take_pictures() -> None:
    with demo() as config:
        async with dashboard("train-llama-8b", config=config) as pilot:
            await pilot.press("2", "2")
            await until_shown(pilot, "24H PRICE")
            await until_shown(pilot, "▁")
            save(pilot, "prices")
        async with dashboard("finetune-whisper", config=config) as pilot:
            await pilot.press(*"/finetune-whisper", "enter", "d")
            await until_shown(pilot, "Allocated")
            await pilot.press("right_square_bracket", "right_square_bracket")
            await until_shown(pilot, "Placed")
            save(pilot, "bid-history")
        async with dashboard("train-llama-8b", config=config) as pilot:
            await pilot.press("2", *"/8xh100", "enter")
            await until_shown(pilot, "8xH100")
            await pilot.press("enter")
            await until_shown(pilot, "New task")
            await pilot.press(*"fine-tune", "tab", *"python tune.py --epochs 3", "ctrl+s")
            await until_shown(pilot, "Submit fine-tune")
            save(pilot, "cost-confirmation")
