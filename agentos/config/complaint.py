"""Sentences about settings that do not fit."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from agentos.config.settings import Settings

_MOST_SHOWN = 60


def complaints(error: ValidationError, origin: Callable[[tuple[str, ...]], str]) -> list[str]:
    """One sentence for each problem: where it was written, the dotted key, and what was expected there."""
    found = []
    for item in error.errors(include_url=False, include_context=False):
        path = tuple(str(part) for part in item["loc"] if part != "[key]")
        found.append(_sentence(path, dict(item), origin(_said(path, item["loc"]))))
    return sorted(set(found))


def suggestion(word: str, known: Iterable[str], *, closeness: float = 0.6) -> str | None:
    """The one of `known` that `word` most resembles; None where nothing is as close as `closeness` (1: the same)."""
    words = list(known)
    close = difflib.get_close_matches(word, words, n=1, cutoff=closeness)
    if close:
        return close[0]
    starts = [other for other in words if len(word) > 2 and (other.startswith(word) or word.startswith(other))]
    return starts[0] if starts else None


def _said(path: tuple[str, ...], loc: tuple[Any, ...]) -> tuple[str, ...]:
    """The part of `path` that a source spells: not the place within a list."""
    numbers = [place for place, part in enumerate(loc) if isinstance(part, int)]
    return path[: numbers[0]] if numbers else path


def _sentence(path: tuple[str, ...], item: Mapping[str, Any], origin: str) -> str:
    key = ".".join(path)
    if item["type"] == "extra_forbidden":
        known = _fields_at(path[:-1])
        meant = suggestion(path[-1], known)
        hint = f"Did you mean {'.'.join((*path[:-1], meant))}?" if meant else f"Known here: {', '.join(sorted(known))}."
        return f"{origin}: {key} is no setting. {hint}"
    message = str(item["msg"]).removeprefix("Value error, ").replace("Input should", "should")
    if not path:
        return f"Settings: {message}."
    if item["type"] == "missing":
        return f"{key} is missing."
    return f"{origin}: {key}{_shown(path, item.get('input'))} {message}."


def _shown(path: tuple[str, ...], value: Any) -> str:
    """The value itself where it helps and is no secret."""
    if path[0] == "database_url" or not isinstance(value, str | int | float | bool):
        return ""
    text = repr(value)
    return f" is {text if len(text) <= _MOST_SHOWN else text[:_MOST_SHOWN] + '…'}, it"


def _fields_at(path: tuple[str, ...]) -> list[str]:
    """The settings that `path` leads to, as far as the shape says."""
    part: Any = Settings
    for word in path:
        if get_origin(part) is dict:
            part = get_args(part)[1]
        elif (field := _shape(part).get(word)) is not None:
            part = field.annotation
    return list(_shape(part))


def _shape(annotation: Any) -> Mapping[str, Any]:
    """The fields of the model that `annotation` is, or may be (`X | None`); none for anything else."""
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each.model_fields
    return {}
