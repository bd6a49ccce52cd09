"""What doctor makes of what it found."""

from pathlib import Path

import pytest

from agentos.config.load import Loaded
from agentos.config.settings import Settings
from agentos.config.workflow import Workflow
from agentos.domain.error import UsageError
from agentos.domain.finding import Check, Grade
from agentos.runs.checkup import (
    check_home,
    check_tickets,
    judge_database,
    judge_disk,
    judge_git,
    judge_home,
    judge_models,
    judge_sandbox,
    judge_workflow,
)

GB = 1024**3
HOME = Path("/data")


def _settings(**given: object) -> Settings:
    return Settings.model_validate({"home": HOME, **given})


def _workflow(*, digest: str, **given: object) -> Check:
    return judge_workflow(Loaded(_settings(**given), {}, Workflow(digest=digest)))


@pytest.mark.parametrize(
    ("said", "grade"),
    [
        ("git version 2.38.0", "ok"),
        ("git version 2.39.5 (Apple Git-154)", "ok"),
        ("git version 3.0", "ok"),
        ("git version 2.37.9", "fail"),
        ("git version 1.8.3.1", "fail"),
        ("", "fail"),
    ],
)
def test_git_must_be_there_and_new_enough(said: str, grade: str) -> None:
    assert judge_git(said).grade == grade


@pytest.mark.parametrize(("version", "grade"), [(140000, "ok"), (180001, "ok"), (130012, "fail"), (0, "fail")])
def test_postgresql_must_be_new_enough(version: int, grade: str) -> None:
    assert judge_database("x", version).grade == grade


@pytest.mark.parametrize(("free", "grade"), [(50 * GB, "ok"), (GB, "warn"), (100 * 1024**2, "fail"), (0, "fail")])
def test_little_room_is_a_warning_and_none_a_failure(free: int, grade: str) -> None:
    assert judge_disk(free).grade == grade


@pytest.mark.parametrize(
    ("mode", "writable", "grade"),
    [(0o700, True, "ok"), (None, True, "ok"), (0o755, True, "warn"), (0o770, True, "warn"), (0o500, False, "fail")],
)
def test_the_data_folder_is_ours_alone_and_can_be_written(mode: int | None, *, writable: bool, grade: str) -> None:
    assert judge_home(HOME, mode, is_writable=writable).grade == grade


def test_keys_are_told_by_name_and_a_role_without_one_fails() -> None:
    assert judge_models(_settings(), (), _nothing).grade is Grade.FAIL
    one = judge_models(_settings(), ("ANTHROPIC_API_KEY",), _nothing)
    assert (one.grade, "ANTHROPIC_API_KEY" in one.found) == (Grade.WARN, True)
    assert judge_models(_settings(), ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"), _nothing).grade is Grade.OK
    named = {"orchestrator": {"stages": {"triage": {"drafter": "openai:gpt-5"}}}}
    other = judge_models(_settings(**named), ("ANTHROPIC_API_KEY",), _nothing)
    assert (other.grade, "OPENAI_API_KEY" in other.mend) == (Grade.FAIL, True)


def test_a_box_that_no_run_would_start_with_fails_and_one_that_keeps_nobody_in_is_a_warning() -> None:
    assert judge_sandbox("process", confines=False, refusal="no box").grade is Grade.FAIL
    assert judge_sandbox("process", confines=False, refusal="").grade is Grade.WARN
    assert judge_sandbox("sandlock", confines=True, refusal="").grade is Grade.OK


def test_a_workflow_must_be_there_and_name_a_test_command() -> None:
    assert _workflow(digest="").grade is Grade.FAIL
    assert _workflow(digest="d").grade is Grade.FAIL
    assert _workflow(digest="d", commands={"test": "make test"}).grade is Grade.OK


def test_tickets_are_counted(tmp_path: Path) -> None:
    assert check_tickets(tmp_path / "none").grade is Grade.WARN
    assert check_tickets(tmp_path).grade is Grade.WARN
    (tmp_path / "001-shout.md").touch()
    assert check_tickets(tmp_path).found.startswith("1 in ")


def test_a_data_folder_that_is_not_there_yet_is_judged_by_where_it_will_be(tmp_path: Path) -> None:
    assert check_home(tmp_path / "a" / "b").found.endswith("to be made")
    (tmp_path / "file").touch()
    assert check_home(tmp_path / "file" / "home").grade is Grade.FAIL


def test_everything_wrong_has_a_mend_and_nothing_right_has_one() -> None:
    wrong = [judge_git(""), judge_database("x", 0), judge_disk(0), judge_home(HOME, None, is_writable=False)]
    assert all(check.mend for check in wrong)
    assert not any(check.mend for check in (judge_git("git version 2.50"), judge_disk(90 * GB)))


def _nothing() -> None: ...


def test_a_model_that_cannot_be_asked_or_counted_is_a_failure() -> None:
    def refuse() -> None:
        raise UsageError("the price of a:b is unknown")

    found = judge_models(_settings(), ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"), refuse)
    assert found == Check("models", Grade.FAIL, "the price of a:b is unknown", "see docs/howto/models.md")
