"""Pull requests of a repository without a forge: one JSON file each."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from agentos.adapters.durable_file import create_file, locked, refusal, replace_file, translated
from agentos.domain.error import OutsideError
from agentos.domain.failure import FailureKind


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class FileSize(_Part):
    """Lines added and taken in one file; both None where it is binary."""

    path: str
    insertions: int | None
    deletions: int | None


class DiffSize(_Part):
    """How large the change was when the pull request was opened or last edited."""

    files: int = 0
    insertions: int = 0
    deletions: int = 0
    per_file: tuple[FileSize, ...] = ()


class ReviewRecord(_Part):
    """One review, as the port has it."""

    id: str
    author: str
    state: str
    body: str
    sha: str
    at: str


class MergePlan(_Part):
    """The merge commit, written down before anything outside changes: a repeated merge makes no second one."""

    base_sha: str
    head_sha: str
    sha: str
    at: str


class PullRequestRecord(_Part):
    """One pull request. `head_sha` is the head that was seen last; the branch itself says what it is now."""

    format: Literal["agentos.local-pr/v1"] = "agentos.local-pr/v1"
    number: int
    key: str
    branch: str
    base: str
    head_sha: str
    title: str
    body: str
    state: Literal["open", "merged", "closed"] = "open"
    opened_at: str
    diff: DiffSize = DiffSize()
    reviews: tuple[ReviewRecord, ...] = ()
    plan: MergePlan | None = None
    merge_sha: str = ""


@dataclass(frozen=True, slots=True)
class Records:
    """The records in `folder`, `<number>.json` each. Every change is one step on disk."""

    folder: Path

    def all(self) -> tuple[PullRequestRecord, ...]:
        """Every record, oldest first."""
        try:
            numbers = sorted(int(path.stem) for path in self.folder.glob("*.json") if path.stem.isdecimal())
        except OSError as exc:
            raise OutsideError(f"{self.folder} cannot be read: {exc.strerror}", kind=refusal(exc)) from exc
        return tuple(self.get(number) for number in numbers)

    def get(self, number: int) -> PullRequestRecord:
        """The record with that number. Raises: OutsideError GONE where there is none, INVALID where it is damaged."""
        path = self._path(number)
        try:
            return PullRequestRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError as exc:
            raise OutsideError(
                f"there is no local pull request {number} in {self.folder}", kind=FailureKind.GONE
            ) from exc
        except OSError as exc:
            raise OutsideError(f"{path} cannot be read: {exc.strerror}", kind=refusal(exc)) from exc
        except ValidationError as exc:
            first = exc.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the file"
            raise OutsideError(
                f"{path} is damaged ({where}: {first['msg']}); restore it or delete it", kind=FailureKind.INVALID
            ) from exc

    def add(self, record: PullRequestRecord) -> PullRequestRecord:
        """`record` under the next number. Effect: one file. Raises: OutsideError CONFLICT where its branch has one open."""
        with translated(self.folder, "made"):
            self.folder.mkdir(parents=True, exist_ok=True)
        with locked(self.folder):
            there = self.all()
            twin = next((each for each in there if each.branch == record.branch and each.state == "open"), None)
            if twin is not None:
                raise OutsideError(
                    f"the branch {record.branch} has the open pull request {twin.number} already",
                    kind=FailureKind.CONFLICT,
                )
            record = record.model_copy(update={"number": max((each.number for each in there), default=0) + 1})
            create_file(self._path(record.number), _encoded(record))
        return record

    def change(self, number: int, **changes: object) -> PullRequestRecord:
        """The record with `changes`. Effect: the file says so."""
        with locked(self.folder):
            old = self.get(number)
            new = old.model_copy(update=changes)
            if new != old:
                replace_file(self._path(number), _encoded(new))
        return new

    def add_review(self, number: int, review: ReviewRecord) -> None:
        """Effect: the record has the review, once per id."""
        with locked(self.folder):
            old = self.get(number)
            if all(each.id != review.id for each in old.reviews):
                replace_file(self._path(number), _encoded(old.model_copy(update={"reviews": (*old.reviews, review)})))

    def _path(self, number: int) -> Path:
        return self.folder / f"{number}.json"


def _encoded(record: PullRequestRecord) -> bytes:
    return (json.dumps(record.model_dump(mode="json"), indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
