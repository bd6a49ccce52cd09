"""Domain records to plain JSON and back."""

import json
from typing import Any, TypeVar

from pydantic import TypeAdapter

T = TypeVar("T")


_ADAPTERS: dict[type[Any], TypeAdapter[Any]] = {}
"""Made on first use: building one takes milliseconds."""


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = TypeAdapter(kind)
    return _ADAPTERS[kind]


def dump(record: object) -> dict[str, Any]:
    """`record` as plain JSON types: what may go into state, ledger and store."""
    data: dict[str, Any] = _adapter(type(record)).dump_python(record, mode="json")
    return data


def load(kind: type[T], data: object) -> T:
    """The record that `dump` made `data` from. Raises pydantic's ValidationError where it does not fit."""
    record: T = _adapter(kind).validate_python(data)
    return record


def load_json(kind: type[T], raw: bytes) -> T:
    """The record in the JSON document `raw`."""
    record: T = _adapter(kind).validate_json(raw)
    return record


def dump_json(record: object) -> bytes:
    """`record` as an indented JSON document with sorted keys and a final newline."""
    text = json.dumps(dump(record), indent=2, sort_keys=True, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8") + b"\n"
