"""Reads the error out of a line of fields: loggers put a whole traceback into one of them."""

from __future__ import annotations

from flow_core.logs.analysis.structured import StructuredLine, parse_structured
from flow_core.logs.analysis.traceback_watch import TracebackWatch

_ERROR_NAMES = ("exc_info", "exception", "exc_text", "traceback", "stack_trace", "stacktrace", "stack", "error", "err")


def read_field_error(text: str) -> tuple[str, bool] | None:
    """Returns the error that a line of fields reports, and whether it has a traceback. None for other lines.

    The error is the first exception of a traceback, else the first line of the message.
    """
    fields = parse_structured(text)
    if fields is None:
        return None
    values = [value for value in (*map(fields.get, _ERROR_NAMES), fields.message) if isinstance(value, str) and value]
    for value in values:
        if exception := _find_exception(value):
            return exception, True
    return _find_message(fields, values), False


def _find_exception(text: str) -> str | None:
    watch = TracebackWatch()
    raised = (watch.feed("", 0, line) for line in text.splitlines())
    return next((one.line for one in raised if one is not None), None)


def _find_message(fields: StructuredLine, values: list[str]) -> str:
    message = fields.message or (values[0] if values else fields.prefix)
    return next((line for line in message.splitlines() if line.strip()), message)
