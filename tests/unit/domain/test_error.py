"""What this machine refuses is told with the thing and the mend; any other error stays a fault of ours."""

import errno
import os
from pathlib import Path

import pytest

from agentos.domain.error import Crowded, NotYet, TooLong, refusal_of_machine
from agentos.domain.failure import FailureKind


@pytest.mark.parametrize(
    ("number", "hint", "kind"),
    [
        (errno.ENOSPC, "make room there, or raise the limit", FailureKind.TRANSIENT),
        (errno.EMFILE, "make room there, or raise the limit", FailureKind.TRANSIENT),
        (errno.EROFS, "make it a place this user may write", FailureKind.DENIED),
        (errno.EACCES, "make it a place this user may write", FailureKind.DENIED),
    ],
)
def test_a_refusal_names_the_file_the_reason_and_the_mend(number: int, hint: str, kind: FailureKind) -> None:
    refusal = refusal_of_machine(OSError(number, os.strerror(number), "/data/x"))
    assert refusal is not None
    assert str(refusal) == f"/data/x cannot be written ({os.strerror(number)}): {hint}"
    assert refusal.kind is kind


@pytest.mark.parametrize(
    ("error", "place", "named"),
    [
        (OSError(errno.ENOSPC, "full"), "", "a file"),
        (OSError(errno.ENOSPC, "full", b"/data/\xff"), "", "/data/\ufffd"),
        (OSError(errno.ENOSPC, "full", "/data/x"), Path("/data"), "/data"),
    ],
)
def test_the_place_is_the_one_given_else_the_errors_own(error: OSError, place: Path | str, named: str) -> None:
    assert str(refusal_of_machine(error, place)).startswith(f"{named} cannot be written")


def test_what_nobody_refused_is_no_refusal() -> None:
    assert refusal_of_machine(FileNotFoundError(errno.ENOENT, "gone", "/data/x")) is None


def test_a_conversation_that_is_too_long_is_not_tried_again_as_it_is() -> None:
    error = TooLong("the model takes 200,000 tokens")
    assert (str(error), error.kind) == ("the model takes 200,000 tokens", FailureKind.INVALID)


def test_what_is_under_way_outside_says_when_to_look_again() -> None:
    error = NotYet("1 of 2 checks ended", retry_after_s=300)
    assert (str(error), error.kind, error.retry_after_s) == ("1 of 2 checks ended", FailureKind.TRANSIENT, 300)


def test_a_picture_without_room_says_when_there_is_some_again() -> None:
    error = Crowded("no room", retry_after_s=900.0)
    assert (str(error), error.kind, error.retry_after_s) == ("no room", FailureKind.TRANSIENT, 900.0)
