"""What the program says to whoever operates it: one event a line, with run, issue and stage bound once."""

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any, Literal, TextIO, TypeAlias

import structlog
from structlog.typing import EventDict, Processor

from agentos.domain.naming import clean_text
from agentos.telemetry.redaction import redacted_data

Level: TypeAlias = Literal["debug", "info", "warning", "error"]
SECRET_WORDS = ("password", "secret", "token", "api_key", "apikey", "authorization", "credential")
NO_SECRET = ("input_tokens", "output_tokens", "max_tokens", "tokens")
"""Counts that a secret word would hide."""
MASK = "***"


def configure_logging(stream: TextIO, *, level: Level = "warning", as_json: bool = False) -> None:
    """Effect: every log line of this process, libraries' included, goes to `stream` from `level` on. Repeatable."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _mask,
        _clean,
        _redact,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback)
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def bind(**keys: object) -> None:
    """Effect: every later line of this task and of those it starts carries `keys`: run, issue, stage."""
    structlog.contextvars.bind_contextvars(**keys)


def logger(name: str) -> structlog.stdlib.BoundLogger:
    """The log of one module: `logger(__name__).info("run_parked", until=...)`, the event's name past tense."""
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound


def _mask(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> EventDict:
    """Hides what is called a secret; the last net, never the reason why something may be logged."""
    return {key: _masked(key, value) for key, value in event.items()}


def _masked(key: object, value: object) -> object:
    name = str(key).lower()
    if name not in NO_SECRET and any(word in name for word in SECRET_WORDS):
        return MASK
    if isinstance(value, Mapping) and not name.startswith("_"):
        return {inner: _masked(inner, each) for inner, each in value.items()}
    return value


def _clean(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> EventDict:
    """Takes the terminal's control sequences, and line ends that would forge a line, out of foreign text."""
    return {
        key: _one_line(value) if isinstance(value, str) and key != "exception" else value
        for key, value in event.items()
    }


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> EventDict:
    """Takes secrets out of what is not called one, tracebacks included."""
    return {key: value if key.startswith("_") else redacted_data(value) for key, value in event.items()}


def _one_line(text: str) -> str:
    return clean_text(text).replace("\n", "\\n")
