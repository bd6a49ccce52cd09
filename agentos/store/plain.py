"""What may be stored: plain JSON, and times as text."""

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from psycopg.types.json import Json, Jsonb

from agentos.domain.error import BugError


def as_json(value: Mapping[str, Any]) -> Json:
    """`value` for a `json` column, kept as it is to the order of its keys.

    Raises: BugError for anything that is not plain JSON or that PostgreSQL cannot hold; it names the place.
    """
    _require_plain(value, "$")
    return Json(value, dumps=_dumps)


def as_jsonb(value: Mapping[str, Any]) -> Jsonb:
    """`value` for a `jsonb` column; refuses what `as_json` refuses."""
    _require_plain(value, "$")
    return Jsonb(value, dumps=_dumps)


def as_text(value: str) -> str:
    """`value`, if a `text` column can hold it; BugError otherwise."""
    _require_text(value, "$")
    return value


def as_time(value: datetime | None) -> str | None:
    """`value` from the database as ISO 8601 UTC, always of one length so that texts sort as times do."""
    return None if value is None else value.astimezone(UTC).isoformat(timespec="microseconds")


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=dict)


def _require_plain(value: object, place: str) -> None:
    match value:
        case None | bool() | int():
            return
        case str():
            _require_text(value, place)
        case float():
            if not math.isfinite(value):
                raise BugError(f"{place} is {value}, which JSON cannot hold: store None and say why")
        case Mapping():
            _require_plain_object(value, place)
        case list() | tuple():
            for index, item in enumerate(value):
                _require_plain(item, f"{place}[{index}]")
        case _:
            raise BugError(f"{place} is a {type(value).__name__}: turn it into plain JSON before it is stored")


def _require_plain_object(value: Mapping[Any, Any], place: str) -> None:
    for name, item in value.items():
        if not isinstance(name, str):
            raise BugError(f"{place} has the key {name!r}: keys of stored JSON are text")
        _require_text(name, f"the name of a key of {place}")
        _require_plain(item, f"{place}.{name}")


def _require_text(value: str, place: str) -> None:
    if "\x00" in value:
        raise BugError(f"{place} has a NUL character: pass foreign text through clean_text where it enters")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as exc:
        raise BugError(f"{place} has a lone surrogate: pass foreign text through clean_text where it enters") from exc
