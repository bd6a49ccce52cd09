"""YAML as people write it in a configuration, read strictly: a mapping of plain values or a sentence with the line."""

from typing import Any

from agentos.domain.error import UsageError

MOST_BYTES = 256 * 1024


def read_mapping(text: str, *, where: str, first_line: int = 1) -> dict[str, Any]:
    """The mapping in `text`; empty for an empty text.

    `where` and `first_line` place a problem for people. Duplicate keys, aliases, keys that are no words, several
    documents and more than 256 KiB are refused.
    """
    from ruamel.yaml import YAML  # 60 ms, and not every command reads a file
    from ruamel.yaml.error import MarkedYAMLError, YAMLError
    from ruamel.yaml.events import AliasEvent

    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise UsageError(f"{where} is larger than {MOST_BYTES // 1024} KiB: keep configuration short.")
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            if isinstance(event, AliasEvent):
                line = first_line + event.start_mark.line
                raise UsageError(f"{where}, line {line}: aliases (*{event.anchor}) are not read; write the value out.")
        value = YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as exc:
        raise UsageError(_sentence(exc, where, first_line)) from exc
    except (YAMLError, ValueError, RecursionError) as exc:
        reason = "it is nested too deeply" if isinstance(exc, RecursionError) else str(exc).splitlines()[0]
        raise UsageError(f"{where} is not YAML: {reason}.") from exc
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise UsageError(f"{where} should be a list of settings (`key: value`), not {type(value).__name__}.")
    _only_words(value, where, ())
    return value


def _sentence(exc: Any, where: str, first_line: int) -> str:
    mark = exc.problem_mark or exc.context_mark
    place = f"{where}, line {first_line + mark.line}" if mark is not None else where
    problem = str(exc.problem or exc.context or "it cannot be read").splitlines()[0]
    if problem.startswith("found duplicate key"):
        problem = problem.split(" with value")[0]
    return f"{place}: the YAML cannot be read: {problem}."


def _only_words(value: Any, where: str, path: tuple[str, ...]) -> None:
    if isinstance(value, list):
        for item in value:
            _only_words(item, where, path)
    if not isinstance(value, dict):
        return
    for key, item in value.items():
        if not isinstance(key, str):
            inside = f" inside {'.'.join(path)}" if path else ""
            raise UsageError(f"{where}: the key {key!r}{inside} should be a word; put it in quotes.")
        _only_words(item, where, (*path, key))
