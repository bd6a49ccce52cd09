"""Closed sets of words: what is stored and shown under them stays readable by later versions."""

from enum import StrEnum

import pytest

from agentos.domain.artifact import ArtifactKind, ArtifactRef
from agentos.domain.document import FileAction
from agentos.domain.event import Event, EventKind
from agentos.domain.naming import safe_name
from agentos.domain.pipeline import Stage, Verdict


@pytest.mark.parametrize("kind", ArtifactKind)
def test_every_kind_of_document_is_a_plain_file_name(kind: ArtifactKind) -> None:
    assert safe_name(kind) == kind


@pytest.mark.parametrize("kind", EventKind)
def test_every_kind_of_event_is_spelled_like_its_name(kind: EventKind) -> None:
    assert kind == kind.name.lower()


@pytest.mark.parametrize("words", [ArtifactKind, EventKind, FileAction, Stage, Verdict])
def test_no_two_members_share_a_word(words: type[StrEnum]) -> None:
    assert len({str(word).casefold() for word in words}) == len(words.__members__)


def test_records_are_values() -> None:
    ref = ArtifactRef(ArtifactKind.LLD, "0" * 64, 12, "runs/demo/1/1/lld.json")
    assert {ref, ArtifactRef(ArtifactKind.LLD, "0" * 64, 12, "runs/demo/1/1/lld.json")} == {ref}
    assert Event(1, 1, "", EventKind.NOTE, None, None, {}) == Event(1, 1, "", EventKind.NOTE, None, None, {})
