"""Answers in the full shape that GitHub publishes: what a test does not care about is filled in by its own schema."""

import types
import typing
from datetime import datetime
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter

AT = "2026-01-01T00:00:00Z"
_PLAIN: dict[object, object] = {str: "x", int: 1, float: 1.0, bool: False, datetime: AT, Any: None, type(None): None}


def filled(model: type[BaseModel], **given: object) -> dict[str, Any]:
    """The JSON of a `model` with `given` in it; every other required field holds something that fits."""
    return {**_required(model), **given}


@cache
def _required(model: type[BaseModel]) -> dict[str, Any]:
    fields = model.model_fields.items()
    return {field.alias or name: _fitting(field.annotation) for name, field in fields if field.is_required()}


def _fitting(shape: Any) -> object:
    origin, args = typing.get_origin(shape), typing.get_args(shape)
    if shape in _PLAIN:
        return _PLAIN[shape]
    if origin is typing.Literal:
        return args[0]
    if origin in (typing.Union, types.UnionType):
        return None if type(None) in args else _fitting(args[0])
    if origin is typing.Annotated:
        return _fitting(args[0])
    if origin in (list, tuple):
        return []
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return _required(shape)
    return {}


@cache
def _adapter(shape: Any) -> TypeAdapter[Any]:
    return TypeAdapter(shape)


def require_shape(shape: Any, body: object) -> None:
    """Raises where `body` is not what GitHub publishes for `shape`: the fake has drifted from the wire."""
    _adapter(shape).validate_python(body)
