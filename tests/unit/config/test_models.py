"""Which model does what where nobody said, and what people are told about it."""

from typing import Any

import pytest

from agentos.config.load import keys_present
from agentos.config.models import choose, provider_table
from agentos.config.settings import Settings
from agentos.domain.error import UsageError
from agentos.domain.pipeline import Stage

JUDGED = [(Stage.LLD, "drafter"), (Stage.SPEC, "drafter"), (Stage.IMPL, "implementer")]


def _settings(**values: Any) -> Settings:
    return Settings.model_validate(values)


def test_without_a_key_or_a_script_it_says_what_to_set() -> None:
    with pytest.raises(UsageError, match="ANTHROPIC_API_KEY, OPENAI_API_KEY, GOOGLE_API_KEY"):
        choose(_settings(), ())


@pytest.mark.parametrize(
    ("key", "provider"),
    [
        ("ANTHROPIC_API_KEY", "anthropic"),
        ("OPENAI_API_KEY", "openai"),
        ("GOOGLE_API_KEY", "google_genai"),
        ("GEMINI_API_KEY", "google_genai"),
    ],
)
def test_one_key_gives_another_model_of_that_provider_as_reviewer_and_says_so(key: str, provider: str) -> None:
    choice = choose(_settings(), {key})
    for stage, worker in JUDGED:
        work, judge = choice.of(stage, worker), choice.of(stage, "reviewer")
        assert work.startswith(f"{provider}:")
        assert judge.startswith(f"{provider}:")
        assert work != judge
    assert any("no key of another provider" in sentence for sentence in choice.announcements)


def test_two_keys_give_a_reviewer_of_the_other_provider() -> None:
    choice = choose(_settings(), {"OPENAI_API_KEY", "GOOGLE_API_KEY"})
    for stage, worker in JUDGED:
        assert choice.of(stage, worker).startswith("openai:")
        assert choice.of(stage, "reviewer").startswith("google_genai:")
    assert choice.announcements == ()


def test_the_reviewer_avoids_the_provider_of_the_drafter_that_was_set() -> None:
    settings = _settings(orchestrator={"stages": {"lld": {"drafter": "openai:mine"}}})
    choice = choose(settings, {"ANTHROPIC_API_KEY", "OPENAI_API_KEY"})
    assert choice.of(Stage.LLD, "drafter") == "openai:mine"
    assert choice.of(Stage.LLD, "reviewer").startswith("anthropic:")


def test_a_script_plays_every_role_that_was_not_set() -> None:
    settings = _settings(models={"script": "x.yaml"}, orchestrator={"stages": {"spec": {"reviewer": "claude:real"}}})
    choice = choose(settings, ())
    assert choice.of(Stage.LLD, "drafter") == "scripted:drafter"
    assert choice.of(Stage.IMPL, "implementer") == "scripted:implementer"
    assert choice.of(Stage.IMPL, "reviewer") == "scripted:reviewer"
    assert choice.of(Stage.SPEC, "reviewer") == "anthropic:real"
    assert choice.announcements == ("Model replies come from a file; everything else is real.",)


def test_a_model_that_reviews_itself_is_announced() -> None:
    every = {"drafter": "local:one", "reviewer": "local:one"}
    stages = {
        "triage": {"drafter": "local:one"},
        "lld": every,
        "spec": every,
        "implementation": {"implementer": "local:one", "reviewer": "local:two"},
    }
    choice = choose(_settings(orchestrator={"stages": stages}), ())
    assert [sentence for sentence in choice.announcements if "reviews its own work" in sentence] == [
        "local:one reviews its own work in lld, spec: set another reviewer for a second opinion."
    ]


def test_every_role_of_every_stage_that_asks_has_a_model() -> None:
    choice = choose(_settings(), {"ANTHROPIC_API_KEY"})
    assert choice.of(Stage.REVIEW, "implementer") == choice.of(Stage.IMPL, "implementer")
    assert choice.of(Stage.FINALIZE, "drafter") == choice.of(Stage.TRIAGE, "drafter")


def test_keys_are_found_by_name_and_blank_ones_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in provider_table().values():
        for name in provider.keys:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "made-up")
    monkeypatch.setenv("ANTHROPIC_API_KEY", " ")
    assert keys_present() == {"OPENAI_API_KEY"}
