"""Documents a stage produced, named by content."""

from dataclasses import dataclass
from enum import StrEnum


class ArtifactKind(StrEnum):
    """What a document is; its file name in the mirror is `<kind>` plus the suffix of its media type."""

    BRIEF = "issue-brief"
    LLD = "lld"
    SPEC = "spec"
    DIFF = "diff"
    CHECKS = "checks"
    REVIEW = "review"
    PACKAGE = "review-package"
    DOSSIER = "dossier"
    CLOSEOUT = "close-out"
    TRANSCRIPT = "transcript"
    BUNDLE = "bundle"
    LOG = "log"
    RUN = "run"
    EVENTS = "events"


@dataclass(frozen=True, slots=True)
class ArtifactRef:
    """Where a document is: `sha256` names it in the store, `path` (relative to the data folder) mirrors it for people."""

    kind: ArtifactKind
    sha256: str
    size_bytes: int
    path: str
