"""Logs, documents and plain data without secrets; and which values of this machine are looked for."""

import io
import json
import logging
from collections.abc import Iterable
from pathlib import Path

import pytest

from agentos.config.load import load, secrets_present
from agentos.telemetry.log import configure_logging, logger
from agentos.telemetry.redaction import know_secrets, redacted, redacted_document
from tests.canaries import DISGUISES, KINDS, bare, spelled

VALUES = {kind: make("a log full of secrets") for kind, make in KINDS.items()}
POURED = "\n\n".join(f"{kind}, {way}: {say(VALUES[kind])}" for kind in KINDS for way, say in DISGUISES.items())


def left(texts: Iterable[str]) -> list[str]:
    """The kinds of secrets that are in one of `texts`."""
    plain = [bare(text) for text in texts]
    return [kind for kind, value in VALUES.items() if any(way in each for way in spelled(value) for each in plain)]


def test_a_log_line_and_a_traceback_in_it_hold_no_secret() -> None:
    stream, before = io.StringIO(), logging.getLogger().handlers[:]
    configure_logging(stream, as_json=True)
    try:
        try:
            raise RuntimeError(f"cannot reach https://ann:{VALUES['Stripe key']}@host")
        except RuntimeError:
            logger("test").exception("broke", detail=POURED, inner={"more": [POURED]})
        logging.getLogger("library").warning("said %s", POURED)
    finally:
        logging.getLogger().handlers[:] = before
    assert "removed: " in stream.getvalue()
    assert left([stream.getvalue()]) == []


def test_a_document_stays_what_it_is_without_its_secrets() -> None:
    raw = json.dumps({"b": [POURED], "a": "plain"}, indent=2, sort_keys=True).encode() + b"\n"
    clean = redacted_document(raw, suffix=".json")
    assert left([clean.decode()]) == []
    assert json.loads(clean)["a"] == "plain"
    assert redacted_document(clean, suffix=".json") == clean
    assert left([redacted_document(POURED.encode(), suffix=".md").decode()]) == []
    for kept in (b"\xff\xfe" + POURED.encode(), b"plain"):
        assert redacted_document(kept, suffix=".txt") == kept
    assert redacted_document(POURED.encode(), suffix=".bundle") == POURED.encode()


def test_what_the_environment_calls_secret_is_known_and_the_name_of_a_file_is_not(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key.json").write_text("{}")
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "abc-123-def-456-ghi")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    monkeypatch.setenv("AGENTOS_DATABASE_URL", "postgresql://ann:s3cr%21tPassword9@db/x")
    monkeypatch.setenv("PLAIN", "nothing-of-the-sort-1234567890")
    found = secrets_present(load(None).settings)
    assert {"abc-123-def-456-ghi", "s3cr!tPassword9", "s3cr%21tPassword9"} <= found
    assert not {str(tmp_path / "key.json"), "nothing-of-the-sort-1234567890"} & found
    know_secrets(found)
    assert redacted("it is s3cr!tPassword9") == "it is [removed: secret of this machine]"
