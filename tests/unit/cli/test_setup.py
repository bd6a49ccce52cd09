"""What a repository is probably tested with."""

from pathlib import Path

import pytest

from agentos.cli.setup_commands import guess_commands, number_of

CASES = [
    ({"pyproject.toml": ""}, "python -m pytest -q --junitxml={junit}"),
    ({"pyproject.toml": "", "uv.lock": ""}, "uv run pytest -q --junitxml={junit}"),
    ({"tests/test_x.py": ""}, "python -m pytest -q --junitxml={junit}"),
    ({"package.json": '{"scripts": {"test": "jest"}}'}, "npm test"),
    ({"package.json": '{"scripts": {}}'}, ""),
    ({"package.json": "no json"}, ""),
    ({"package.json": "[]", "go.mod": ""}, "go test ./..."),
    ({"Cargo.toml": ""}, "cargo test"),
    ({"Makefile": "test: build\n\tcc\n"}, "make test"),
    ({"Makefile": "test := yes\nbuild:\n"}, ""),
    ({}, ""),
]


@pytest.mark.parametrize(("files", "expected"), CASES)
def test_the_test_command_is_guessed_from_what_is_there(tmp_path: Path, files: dict[str, str], expected: str) -> None:
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content, "utf-8")
    assert guess_commands(tmp_path).test == expected


@pytest.mark.parametrize("path", ["tickets/012-a.md", "tickets/012-a/item.md"])
def test_a_new_ticket_is_known_by_its_number(path: str) -> None:
    assert number_of(Path(path)) == 12
