"""The config file: what it yields, and that a broken part is a sentence and never a crash."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from testbed.properties import limit_examples

from flow_core.config import Config, Context, config_path, state_dir
from flow_core.config_file import load_config
from flow_core.errors import ConfigError

LOCAL = Context("local", "local")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.yaml"


def loaded(file: Path, text: str) -> Config:
    file.write_text(text, encoding="utf-8")
    return load_config(file)


def describe_problems(config: Config) -> str:
    return "\n".join(str(problem) for problem in config.problems)


def test_without_a_file_there_is_this_machine_and_no_complaint() -> None:
    config = load_config()
    assert (config.contexts, config.default, config.problems) == ((LOCAL,), "local", ())


def test_a_file_that_was_named_and_is_missing_is_said(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "does not exist" in describe_problems(load_config(file))
    monkeypatch.setenv("FLOW_CONFIG", str(file))
    assert "does not exist" in describe_problems(load_config())


def test_contexts_default_and_dashboard_are_read(file: Path) -> None:
    config = loaded(
        file,
        "default: lab\ncontexts:\n  lab: {provider: local, region: desk}\n"
        "dashboard: {theme: flow-light, keys: {tasks.cancel: x}}\n",
    )
    assert config.problems == ()
    assert config.contexts == (LOCAL, Context("lab", "local", {"region": "desk"}))
    assert config.context() == config.contexts[1]
    assert config.dashboard == {"theme": "flow-light", "keys": {"tasks.cancel": "x"}}


def test_local_may_have_settings_but_stays_this_machine(file: Path) -> None:
    config = loaded(file, "contexts:\n  local: {region: desk}\n")
    assert config.contexts == (Context("local", "local", {"region": "desk"}),)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("contexts:\n  lab:\n    provider: nimbus\n", 3, "contexts.lab.provider: 'nimbus' is no provider"),
        ("contexts:\n  lab: {provider: [local]}\n", 2, "contexts.lab.provider: ['local'] is no provider"),
        ("contexts:\n  lab: local\n", 2, "contexts.lab: must be a table"),
        ("contexts:\n  'a b': {provider: local}\n", 2, "a context's name"),
        ("contexts: [lab]\n", 1, "contexts: must be a table"),
        ("\ndashboard: 3\n", 2, "dashboard: must be a table"),
        ("default: lab\n", 1, "default: 'lab' is none of the contexts"),
        ("default: [local]\n", 1, "default: ['local'] is none of the contexts"),
        ("colour: red\n", 1, "colour: is not a known setting"),
        ("3: x\n", 1, "3: is not a known setting"),
        ("a: [\n", 2, "is not valid YAML"),
        ("default: 2026-13-01\n", None, "is not valid YAML"),
        ("? [a, b]\n: c\n", 1, "is not valid YAML"),
        ("a: &a {b: *a}\n", 1, "an alias in it contains itself"),
        ("just words\n", 1, "must hold a table"),
        ('"\\e[31m": x\n', 1, "'\\x1b[31m': is not a known setting"),
        ("contexts: {lab: {provider: " + "x" * 5000 + "}}\n", 1, "xxx…xxx"),
        ("local: x\nlocal: y\n", 2, "local: is given twice"),
    ],
)
def test_a_broken_part_is_named_with_its_line_and_the_rest_stands(
    file: Path, text: str, line: int | None, words: str
) -> None:
    config = loaded(file, text)
    (problem,) = config.problems
    assert words in str(problem)
    assert problem.line == line
    assert str(problem).startswith(f"{file}:{line}: " if line else f"{file}: ")
    assert config.contexts == (LOCAL,)
    assert config.default == "local"


def test_a_login_time_that_can_not_be_used_is_named_with_its_line_and_left_out(file: Path) -> None:
    config = loaded(
        file,
        """contexts:
  lab:
    provider: hosts
    login_timeout_s: soon
    hosts:
      - gpu1
      - name: gpu2
        login_timeout_s: -1
      - {name: gpu3, login_timeout_s: 300}
  cloud:
    provider: mithril
    login_timeout_s: 0
""",
    )
    assert [(problem.line, problem.field) for problem in config.problems] == [
        (8, "contexts.lab.hosts.1.login_timeout_s"),
        (4, "contexts.lab.login_timeout_s"),
        (12, "contexts.cloud.login_timeout_s"),
    ]
    assert "login_timeout_s: must be a number of seconds above 0 and at most 86400" in describe_problems(config)
    hosts = ["gpu1", {"name": "gpu3", "login_timeout_s": 300}]
    assert [dict(context.settings) for context in config.contexts[1:]] == [{"hosts": hosts}, {}]


def test_an_age_for_pruning_that_can_not_be_used_is_named_with_its_line_and_left_out(file: Path) -> None:
    config = loaded(file, "contexts:\n  lab:\n    provider: local\n    prune_after_days: soon\n    region: lab\n")
    (problem,) = config.problems
    assert (problem.line, problem.field) == (4, "contexts.lab.prune_after_days")
    assert "prune_after_days: must be a number of days above 0 and at most 36500" in describe_problems(config)
    assert dict(config.context("lab").settings) == {"region": "lab"}


def test_a_field_that_a_machine_does_not_have_is_named_where_it_stands(file: Path) -> None:
    config = loaded(file, "contexts:\n  lab:\n    provider: hosts\n    hosts:\n    - name: a\n      colour: red\n")
    (problem,) = config.problems
    assert (problem.line, problem.field) == (6, "contexts.lab.hosts.0.colour")


@pytest.mark.parametrize("provider", ["local", "hosts", "mithril"])
def test_a_setting_that_a_context_does_not_have_is_named_with_its_line_and_the_context_stays(
    file: Path, provider: str
) -> None:
    config = loaded(file, f"contexts:\n  lab:\n    provider: {provider}\n    hosts: [gpu1]\n    regoin: lab\n")
    problem = config.problems[-1]
    assert (problem.line, problem.field) == (5, "contexts.lab.regoin")
    assert "is not a setting of this context and is ignored; known are: " in str(problem)
    assert len(config.problems) == (1 if provider == "hosts" else 2)
    assert config.context("lab").provider == provider


def test_one_bad_context_does_not_take_the_good_ones_with_it(file: Path) -> None:
    config = loaded(file, "contexts:\n  bad: {provider: x}\n  lab: {provider: local}\n  worse: 3\n")
    assert [context.name for context in config.contexts] == ["local", "lab"]
    assert len(config.problems) == 2


def test_a_context_called_by_a_number_can_be_the_default(file: Path) -> None:
    assert loaded(file, "default: 7\ncontexts:\n  7: {provider: local}\n").context().name == "7"


def test_what_is_no_text_and_no_file_is_said(file: Path, tmp_path: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    assert "is not UTF-8 text" in describe_problems(load_config(file))
    assert "can't be read: it is a folder, not a file" in describe_problems(load_config(tmp_path))


def test_the_context_is_the_one_asked_for_else_of_the_environment_else_the_default(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = loaded(file, "default: b\ncontexts:\n  a: {provider: local}\n  b: {provider: local}\n")
    assert config.context().name == "b"
    monkeypatch.setenv("FLOW_CONTEXT", "a")
    assert config.context().name == "a"
    assert config.context("local").name == "local"
    with pytest.raises(ConfigError, match="no context is called 'c'; there are: local, a, b"):
        config.context("c")


def test_the_environment_says_where_config_and_state_are(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert config_path().is_relative_to(home)
    monkeypatch.setenv("FLOW_CONFIG", "~/mine.yaml")
    assert config_path() == home / "mine.yaml"
    assert state_dir() == home / "state"
    monkeypatch.delenv("FLOW_STATE_DIR")
    assert state_dir().is_relative_to(home)


@given(st.text(alphabet="abc:{}[]&*!?-#'\"%@`| \n\t01", max_size=60))
@limit_examples(25)
def test_any_text_yields_a_config(file: Path, text: str) -> None:
    assert loaded(file, text).context("local") == LOCAL


def test_a_key_of_the_cloud_in_the_environment_is_a_context_and_never_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MITHRIL_API_KEY", "fkey_x")
    assert [context.name for context in load_config(tmp_path / "none.yaml").contexts] == ["local", "mithril"]
    assert load_config(tmp_path / "none.yaml").context().name == "local"
    file = tmp_path / "config.yaml"
    file.write_text("default: mithril\ncontexts:\n  mithril: {provider: mithril, region: here}\n", encoding="utf-8")
    config = load_config(file)
    assert config.problems == ()
    assert (config.context().provider, config.context().settings) == ("mithril", {"region": "here"})
    file.write_text("default: mithril\n", encoding="utf-8")
    assert load_config(file).context().name == "mithril"
    monkeypatch.delenv("MITHRIL_API_KEY")
    assert load_config(file).context().name == "local"


def test_what_is_shown_of_a_context_holds_none_of_its_settings() -> None:
    assert "fkey_secret" not in repr(Context("cloud", "mithril", {"api_key": "fkey_secret"}))


def test_machines_that_no_ssh_could_reach_are_refused_with_their_lines_and_the_others_stay(file: Path) -> None:
    config = loaded(
        file,
        """contexts:
  lab:
    provider: hosts
    hosts:
      - gpu1
      - ssh://x
      - "*"
      - "!x"
      - a/../b
      - {name: box, user: -oProxyCommand=touch x}
      - name: box2
        hostname: a/b
      - {name: gpu2, user: me}
""",
    )
    assert [problem.line for problem in config.problems] == [6, 7, 8, 9, 10, 12]
    assert [problem.field for problem in config.problems][-2:] == [
        "contexts.lab.hosts.5.user",
        "contexts.lab.hosts.6.hostname",
    ]
    assert "contexts.lab.hosts.1: 'ssh://x' is not a host name" in describe_problems(config)
    assert config.context("lab").settings["hosts"] == ["gpu1", {"name": "gpu2", "user": "me"}]
    nobody = loaded(file, "contexts:\n  lab: {provider: hosts, hosts: ['*']}\n")
    assert [problem.line for problem in nobody.problems] == [2]
    assert nobody.contexts == (LOCAL,)
