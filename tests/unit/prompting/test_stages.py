"""What stages hand to a prompt is what it takes: found here, not by a run that gets that far."""

import ast
from collections.abc import Iterator
from pathlib import Path

import agentos.workflows
from agentos.config.data import data_folder
from agentos.prompting.library import PromptLibrary

ASKING = {"ask", "render"}
NOT_INPUTS = {"round_", "by"}


def _calls() -> Iterator[tuple[str, str, set[str]]]:
    """File, prompt and named inputs of every call that names a prompt."""
    for file in sorted(Path(agentos.workflows.__path__[0]).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "attr", "") not in ASKING:
                continue
            words = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
            for prompt in (word for word in words if "/" in word):
                yield file.name, prompt, {item.arg for item in node.keywords if item.arg} - NOT_INPUTS


def test_every_stage_hands_its_prompt_what_it_takes() -> None:
    library = PromptLibrary(data_folder("prompts"))
    calls = list(_calls())
    assert calls
    for file, name, given in calls:
        assert name in library.prompts, f"{file} asks for {name}"
        prompt = library.prompts[name]
        assert set(prompt.inputs) <= given <= {*prompt.inputs, *prompt.optional}, f"{file} and {name} disagree"
