"""Every setting as a page: key, form, default, and who may set it, read off the models themselves (pure)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from agentos.config.authority import JUDGED, OPERATOR_ONLY
from agentos.config.settings import Settings

_HEAD = """\
# Configuration

Written by `python tools/check.py --write-docs` from `agentos/config/settings.py`; a test keeps it so.

A value is taken from the first place that says something:

1. the command line: `--set KEY=VALUE` with a key of this page, and the flags of `agentos run --help`
2. the environment: `AGENTOS_` and the key, its dots as two underscores: `AGENTOS_BUDGET__USD=5`; a list or a group as JSON
3. `WORKFLOW.md` on the base branch of the target repository: its front matter
4. the user configuration: `config.yaml` in your configuration folder, or the file that `AGENTOS_CONFIG` names
5. the default

`configs/default.yaml` is a start for a file of your own. An unknown key is an error that names the nearest known one.

Who may set a key:

- **anybody**: every place above.
- **operator**: every place but `WORKFLOW.md`, which is refused with a sentence if it tries.
- **tighten**: `WORKFLOW.md` may make it stricter than the operator's value, never looser; where the operator said nothing
  about `merge_authority`, it may go as far as `on_approval`.
"""


def configuration_page() -> str:
    """The whole page as Markdown."""
    schema = Settings.model_json_schema()
    defs: Mapping[str, Any] = schema["$defs"]
    parts = [_HEAD, "## General\n", _table(_plain(schema["properties"], defs))]
    for name, part in schema["properties"].items():
        if _inner(part, defs) is not None:
            inner, where = _group(name, part, defs)
            parts += [f"\n## `{name}`\n", f"{_sentence(inner)}\n", _table(_keys(where, inner, defs))]
    return "\n".join(parts) + "\n"


def _table(rows: Iterator[tuple[str, str, str, str]]) -> str:
    lines = ["| Key | Form | Default | Who |", "|---|---|---|---|"]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def _plain(properties: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    for name, part in properties.items():
        if _inner(part, defs) is None:
            yield _row(name, part)


def _keys(where: str, schema: Mapping[str, Any], defs: Mapping[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """A row for each value below `where`, groups inside it spelled out."""
    for name, part in schema["properties"].items():
        key = f"{where}.{name}"
        if _inner(part, defs) is None:
            yield _row(key, part)
        else:
            inner, place = _group(key, part, defs)
            yield from _keys(place, inner, defs)


def _group(key: str, part: Mapping[str, Any], defs: Mapping[str, Any]) -> tuple[Mapping[str, Any], str]:
    """The group below `key`, and its key with `<name>` where people choose the names."""
    inner = _inner(part, defs)
    assert inner is not None
    by_name = "patternProperties" in part or isinstance(part.get("additionalProperties"), dict)
    return inner, f"{key}.<name>" if by_name else key


def _inner(part: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The group of settings that `part` is, or holds by name."""
    candidates = [part, *part.get("anyOf", []), *part.get("allOf", [])]
    named = part.get("additionalProperties")
    if isinstance(named, dict):
        candidates.append(named)
    candidates += part.get("patternProperties", {}).values()
    for each in candidates:
        found = defs.get(str(each.get("$ref", "")).rpartition("/")[2])
        if found is not None and "properties" in found:
            return dict(found)
    return None


def _row(key: str, part: Mapping[str, Any]) -> tuple[str, str, str, str]:
    return f"`{key}`", _form(part), _default(key, part), _who(key)


def _form(part: Mapping[str, Any]) -> str:
    if "anyOf" in part:
        return " or ".join(_form(each) for each in part["anyOf"] if each.get("type") != "null")
    if "enum" in part:
        return ", ".join(f"`{word}`" for word in part["enum"])
    if "$ref" in part:
        return "the name of a stage"
    match part.get("type"):
        case "boolean":
            return "true or false"
        case "integer" | "number" as kind:
            return ("whole number" if kind == "integer" else "number") + _bounds(part)
        case "array":
            return "list of texts"
        case "object":
            return "texts by name"
        case _:
            return {"path": "path", "password": "text, never shown"}.get(str(part.get("format")), "text")


def _bounds(part: Mapping[str, Any]) -> str:
    low = f"from {part['minimum']:,}" if "minimum" in part else ""
    low = f"above {part['exclusiveMinimum']:,}" if "exclusiveMinimum" in part else low
    most = f"to {part['maximum']:,}" if "maximum" in part else ""
    return f", {' '.join(filter(None, (low, most)))}" if low or most else ""


def _default(key: str, part: Mapping[str, Any]) -> str:
    if key == "home":
        return "the platform's folder for user data"
    if "default" not in part:
        return "empty" if part.get("type") == "object" else "needed"
    value = part["default"]
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"`{value if isinstance(value, str) and value else json.dumps(value)}`"


def _who(key: str) -> str:
    if any(key == each or key.startswith(f"{each}.") for each in OPERATOR_ONLY):
        return "operator"
    if key.startswith("commands."):
        return "tighten" if key.endswith(".network") else "anybody"
    return "tighten" if any(key == each or key.startswith(f"{each}.") for each in JUDGED) else "anybody"


def _sentence(schema: Mapping[str, Any]) -> str:
    return " ".join(str(schema.get("description", "")).split())
