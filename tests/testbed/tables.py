"""Runs a test for each row of a table, as one test: every row that fails is reported with its values."""

from __future__ import annotations

import functools
import inspect
import traceback
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Literal

import pytest

_LABEL_CHARACTERS = 80


def each(
    names: str | tuple[str, ...], rows: Iterable[Any], ids: Iterable[str] | Callable[[Any], str] | None = None
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Like `pytest.mark.parametrize`, but without an item for each row; all rows share the fixtures."""
    columns = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else names
    table = [dict(zip(columns, (row,) if len(columns) == 1 else row, strict=True)) for row in rows]
    assert table, "a table without rows tests nothing"
    labels = [_label(row, ids) for row in table] if ids is None or callable(ids) else list(ids)

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(test)
        async def run_async_rows(**fixtures: Any) -> None:
            failures = _Failures()
            for label, row in zip(labels, table, strict=True):
                with failures.of(label):
                    await test(**fixtures, **row)
            failures.report(len(table))

        @functools.wraps(test)
        def run_rows(**fixtures: Any) -> None:
            failures = _Failures()
            for label, row in zip(labels, table, strict=True):
                with failures.of(label):
                    test(**fixtures, **row)
            failures.report(len(table))

        run = run_async_rows if inspect.iscoroutinefunction(test) else run_rows
        signature = inspect.signature(test)
        fixtures = [one for name, one in signature.parameters.items() if name not in columns]
        assert len(fixtures) + len(columns) == len(signature.parameters), f"{test.__name__} lacks one of {columns}"
        run.__signature__ = signature.replace(parameters=fixtures)  # type: ignore[attr-defined]
        return run

    return decorate


class _Failures:
    """What failed, row by row. An interrupt still ends the test."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._label = ""

    def of(self, label: str) -> _Failures:
        self._label = label
        return self

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Literal[True] | None:
        if not isinstance(error, Exception | pytest.fail.Exception):
            return None
        shown = "".join(traceback.format_exception(error)[-3:]).rstrip()
        self._texts.append(f"{self._label}:\n{shown}")
        return True

    def report(self, rows: int) -> None:
        if self._texts:
            pytest.fail(f"{len(self._texts)} of {rows} rows failed:\n\n" + "\n\n".join(self._texts), pytrace=False)


def _label(row: dict[str, Any], shown: Callable[[Any], str] | None) -> str:
    texts = {name: shown(value) if shown else ascii(value) for name, value in row.items()}
    return ", ".join(f"{name}={text[:_LABEL_CHARACTERS]}" for name, text in texts.items())
