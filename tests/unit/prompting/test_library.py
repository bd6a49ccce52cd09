"""Prompt files are filled in strictly, and each declares exactly what it uses."""

from pathlib import Path

import pytest
from jinja2 import meta

from agentos.config.data import data_folder
from agentos.domain.document import Criterion
from agentos.domain.error import BugError
from agentos.prompting.library import PromptLibrary

LIBRARY = PromptLibrary(data_folder("prompts"))
FILE = "---\npurpose: p\ninputs: [{inputs}]\nreply: none\n---\n## system\n{system}\n## user\n{user}\n"


def _library(folder: Path, inputs: str, user: str, system: str = "Be brief.") -> PromptLibrary:
    (folder / "x").mkdir(parents=True, exist_ok=True)
    (folder / "x" / "y.md").write_text(FILE.format(inputs=inputs, system=system, user=user), "utf-8")
    return PromptLibrary(folder)


def _used(source: str) -> set[str]:
    environment = LIBRARY._environment
    parsed = environment.parse(source)
    used = set(meta.find_undeclared_variables(parsed))
    for name in meta.find_referenced_templates(parsed):
        assert name is not None
        assert environment.loader is not None
        used |= _used(environment.loader.get_source(environment, name)[0])
    return used


@pytest.mark.parametrize("name", sorted(LIBRARY.prompts))
def test_a_prompt_declares_exactly_the_inputs_it_uses(name: str) -> None:
    environment = LIBRARY._environment
    assert environment.loader is not None
    parts = [environment.loader.get_source(environment, f"{name}#{part}")[0] for part in ("system", "user")]
    assert _used(parts[0]) == set(), "standing instructions hold no input"
    prompt = LIBRARY.prompts[name]
    assert _used(parts[1]) == {*prompt.inputs, *prompt.optional}
    assert not set(prompt.inputs) & set(prompt.optional)


@pytest.mark.parametrize("name", sorted(LIBRARY.prompts))
def test_a_prompt_shows_each_of_its_inputs(name: str) -> None:
    inputs = LIBRARY.prompts[name].inputs + LIBRARY.prompts[name].optional
    rendered = LIBRARY.render(name, **{item: f"<<{item}>>" for item in inputs})
    for item in inputs:
        assert f"\n<<{item}>>\n" in rendered.text, "every input stands in a block of its own"
    assert "<<" not in rendered.system
    assert "{{" not in rendered.system + rendered.text


@pytest.mark.parametrize("name", sorted(LIBRARY.prompts))
def test_a_prompt_takes_empty_inputs(name: str) -> None:
    assert LIBRARY.render(name, **dict.fromkeys(LIBRARY.prompts[name].inputs, "")).text


def test_the_coding_prompt_takes_lists() -> None:
    rendered = LIBRARY.render(
        "impl/code",
        brief="b",
        lld="",
        spec="",
        workflow="",
        guidelines="=== AGENTS.md\nUse tabs.",
        scope="scope.paths of WORKFLOW.md: src/**",
        repo_files="src/a.py",
        commands=["test: pytest -q"],
        criteria=[{"id": "AC-1", "text": "adds"}, Criterion("AC-2", "subtracts")],
        findings="",
        feedback=["please", "thanks"],
    )
    assert "- test: pytest -q" in rendered.text
    assert "=== AGENTS.md\nUse tabs." in rendered.text
    assert "the only files that may change" in rendered.text
    assert "- AC-1: adds\n- AC-2: subtracts" in rendered.text
    assert "- please\n- thanks" in rendered.text


def test_an_optional_input_may_be_left_out() -> None:
    left_out = LIBRARY.render("finalize/follow_ups", brief="x")
    assert left_out == LIBRARY.render("finalize/follow_ups", brief="x", findings="", feedback=[])
    assert "slow" in LIBRARY.render("finalize/follow_ups", brief="x", findings="slow").text


def test_a_missing_input_is_our_bug(tmp_path: Path) -> None:
    with pytest.raises(BugError, match="lacks b"):
        _library(tmp_path, "a, b", "{{ a }} {{ b }}").render("x/y", a="1")


def test_an_input_nobody_declared_is_our_bug(tmp_path: Path) -> None:
    with pytest.raises(BugError, match="does not take c"):
        _library(tmp_path, "a", "{{ a }}").render("x/y", a="1", c="2")


def test_a_prompt_that_uses_more_than_it_declares_is_our_bug(tmp_path: Path) -> None:
    with pytest.raises(BugError, match="cannot be filled in"):
        _library(tmp_path, "a", "{{ a }} {{ b }}").render("x/y", a="1")


def test_an_unknown_prompt_is_our_bug() -> None:
    with pytest.raises(BugError, match="no prompt lld/dream"):
        LIBRARY.render("lld/dream")


def test_a_file_without_its_parts_is_our_bug(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "y.md").write_text("Do something.", "utf-8")
    with pytest.raises(BugError, match="x/y is not front matter"):
        PromptLibrary(tmp_path)


def test_inputs_are_text_and_never_templates(tmp_path: Path) -> None:
    library = _library(tmp_path, "a", "{{ a }}")
    assert library.render("x/y", a="{{ 7 * 7 }}{% include 'x' %}").text == "{{ 7 * 7 }}{% include 'x' %}\n"


def test_a_template_reaches_nothing_of_python(tmp_path: Path) -> None:
    with pytest.raises(BugError, match="cannot be filled in"):
        _library(tmp_path, "a", "{{ a.__class__.__mro__ }}").render("x/y", a="1")


def test_the_digest_names_the_text_and_the_folder(tmp_path: Path) -> None:
    library = _library(tmp_path, "a", "{{ a }}")
    assert library.render("x/y", a="1") == library.render("x/y", a="1")
    assert library.render("x/y", a="1").digest != library.render("x/y", a="2").digest
    assert library.digest == PromptLibrary(tmp_path).digest
    assert library.digest != _library(tmp_path, "a", "{{ a }}!").digest
