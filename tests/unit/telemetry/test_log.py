import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from agentos.telemetry.log import bind, configure_logging, logger


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield io.StringIO()
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_what_is_bound_once_is_on_every_line_of_ours_and_of_libraries(stream: io.StringIO) -> None:
    configure_logging(stream, level="info", as_json=True)
    bind(run=3, issue="r#7")
    logger("agentos.x").info("run_parked", until="noon")
    logging.getLogger("some.library").warning("slow %s", "query")
    ours, theirs = lines(stream)
    assert (ours["event"], ours["run"], ours["issue"], ours["until"]) == ("run_parked", 3, "r#7", "noon")
    assert (theirs["event"], theirs["run"], theirs["level"]) == ("slow query", 3, "warning")


def test_a_lower_level_is_silent(stream: io.StringIO) -> None:
    configure_logging(stream, as_json=True)
    logger("agentos.x").info("step_started")
    assert stream.getvalue() == ""


def test_what_is_called_a_secret_is_hidden_and_a_count_of_tokens_is_not(stream: io.StringIO) -> None:
    configure_logging(stream, level="info", as_json=True)
    logger("x").info("model_called", api_key="abc", headers={"Authorization": "abc"}, GH_TOKEN="abc", input_tokens=5)
    assert "abc" not in stream.getvalue()
    assert lines(stream)[0]["input_tokens"] == 5


@pytest.mark.parametrize("as_json", [True, False])
def test_foreign_text_forges_no_line_and_drives_no_terminal(stream: io.StringIO, as_json: bool) -> None:
    configure_logging(stream, level="info", as_json=as_json)
    logger("x").info("comment_read", text="hello\n2030 [error] all is lost\x1b[2J\x1b]0;owned\x07\x00")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()
    assert "\\u001b" not in stream.getvalue()


def test_an_error_carries_its_traceback(stream: io.StringIO) -> None:
    configure_logging(stream, as_json=True)
    try:
        raise ValueError("broken")
    except ValueError:
        logger("x").exception("step_failed")
    assert "ValueError: broken" in str(lines(stream)[0]["exception"])
