"""A program called nvidia-smi that prints recorded output of a real one, for a machine without NVIDIA GPUs."""

from __future__ import annotations

from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"
_SMI = r"""#!/bin/sh
cd "$(dirname "$0")/outputs" || exit 9
echo $(ps -o pgid= -p $$) "$*" >>calls
while [ -e hangs ]; do sleep 0.1; done
(while [ -e stuck ]; do sleep 0.1; done) & wait
case "$*" in
*mig.mode.current*) [ -e knows_no_mig ] && echo 'Field "mig.mode.current" is not a valid field to query.' && exit 2 ;;
esac
case "$*" in
--query-gpu=*) cat gpu ;;
--query-compute-apps=*) cat apps ;;
-L) cat list ;;
"-q -x") cat xml ;;
esac
"""
_DMESG = '#!/bin/sh\ncat "$(dirname "$0")/outputs/kernel"\n'


class FakeSmi:
    """Put `bin` in front of a PATH. A test can change the output while a client reads it."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self._outputs = self.bin / "outputs"
        self._outputs.mkdir(parents=True)
        for name, text in (("nvidia-smi", _SMI), ("dmesg", _DMESG)):
            (self.bin / name).write_text(text)
            (self.bin / name).chmod(0o755)
        self.set_output()

    def set_output(self, gpu: str = "", apps: str = "", list: str = "", xml: str = "", kernel: str = "") -> None:
        """Sets the outputs. Each is the name of a recording, or the text itself."""
        for name, what in (("gpu", gpu), ("apps", apps), ("list", list), ("xml", xml), ("kernel", kernel)):
            recording = RECORDED / what if what and "\n" not in what else None
            (self._outputs / name).write_text(recording.read_text() if recording else what)

    @property
    def calls(self) -> list[str]:
        """The arguments of each call."""
        return [args for _, args in self._calls]

    @property
    def callers(self) -> set[int]:
        """The process groups it was called from."""
        return {int(group) for group, _ in self._calls}

    @property
    def _calls(self) -> list[list[str]]:
        path = self._outputs / "calls"
        return [line.split(" ", 1) for line in path.read_text().splitlines()] if path.exists() else []

    def hang(self, *, beyond_signals: bool = False) -> None:
        """Blocks the program until `answer`.

        With `beyond_signals`, its output stays open when it is killed, as if it were stuck in the kernel.
        """
        (self._outputs / ("stuck" if beyond_signals else "hangs")).touch()

    def answer(self) -> None:
        for name in ("stuck", "hangs"):
            (self._outputs / name).unlink(missing_ok=True)

    def know_no_mig(self) -> None:
        (self._outputs / "knows_no_mig").touch()
