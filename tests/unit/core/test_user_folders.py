"""The folders of the user are those that platformdirs finds."""

from __future__ import annotations

import os
import sys

import platformdirs
import pytest
from testbed.tables import each

from flow_core.user_folders import find_config_folder, find_state_folder


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="elsewhere, platformdirs finds them")
@each(
    "environ",
    [
        {"HOME": "/home/u"},
        {"HOME": "/home/u", "XDG_STATE_HOME": "/state", "XDG_CONFIG_HOME": "/config"},
        {"HOME": "/home/u", "XDG_STATE_HOME": "relative", "XDG_CONFIG_HOME": ""},
        {"HOME": "relative"},
        {"HOME": ""},
        {},
    ],
)
def test_they_are_those_that_platformdirs_finds(environ: dict[str, str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "FLOW_STATE_DIR"):
            patch.delenv(name, raising=False)
        for name, value in environ.items():
            patch.setenv(name, value)
        assert find_state_folder(os.environ) == platformdirs.user_state_dir("flow", appauthor=False)
        assert find_config_folder(os.environ) == platformdirs.user_config_dir("flow", appauthor=False)


def test_the_variable_names_the_state_folder_itself() -> None:
    assert find_state_folder({"FLOW_STATE_DIR": "~/x", "HOME": "/home/u"}) == os.path.expanduser("~/x")
