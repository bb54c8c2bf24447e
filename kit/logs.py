"""Writes one JSON object per log line to standard output."""

from __future__ import annotations

import contextlib
import logging
import sys
from typing import TextIO, cast

import structlog

from kit.call import current_call


def _with_call(
    _logger: object, _name: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    call = current_call()
    if call.request_id:
        event.setdefault("request_id", call.request_id)
        event.setdefault("method", call.method)
    return event


class Lines:
    """Standard output, as far as it takes anything: a full disk under a log ends no work."""

    def write(self, line: str) -> None:
        """Writes a line; where there is no space it is lost."""
        with contextlib.suppress(OSError):
            sys.stdout.write(line)

    def flush(self) -> None:
        """Passes on what is written so far."""
        with contextlib.suppress(OSError):
            sys.stdout.flush()


def configure(level: str) -> None:
    """Sets the process up to log at `level` and above. Called once, by run()."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _with_call,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, Lines())),
        cache_logger_on_first_use=True,
    )


def logger(name: str) -> structlog.typing.FilteringBoundLogger:
    """Returns the logger of one part of the program."""
    bound: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=name)
    return bound
