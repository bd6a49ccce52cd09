"""What this process must not say: its own secrets, and whatever has the shape of one, in all that leaves it."""

import json
from collections.abc import Iterable
from typing import Any, TypeVar

from agentos.domain.secret import Leak, Secrets

T = TypeVar("T")
_BINARY = (".bundle",)
_secrets = Secrets()
_known: frozenset[str] = frozenset()


def know_secrets(values: Iterable[str]) -> None:
    """Effect: from now on these values are looked for, too, whole and in disguise, by all of this process."""
    global _secrets, _known
    more = frozenset(values) - _known
    if more:
        _known |= more
        _secrets = Secrets(_known)


def leaks(text: str) -> tuple[Leak, ...]:
    """Every secret in `text`."""
    return _secrets.leaks(text)


def redacted(text: str) -> str:
    """`text` without secrets. Repeating it changes nothing more."""
    return _secrets.redacted(text)


def without_known(text: str) -> str:
    """`text` without the values this process knows: for what may hold anything of such a shape rightly, as code does."""
    return _secrets.redacted_known(text)


def redacted_data(data: T) -> T:
    """Plain JSON with every text in it redacted, names too."""
    each: Any = _each(data)
    same: T = each
    return same


def redacted_document(content: bytes, *, suffix: str) -> bytes:
    """A document without secrets: JSON stays JSON, and what is no text stays as it is."""
    if suffix in _BINARY:
        return content
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        return content
    if not leaks(text):
        return content
    if suffix != ".json":
        return redacted(text).encode()
    indent = 2 if text.startswith(("{\n", "[\n")) else None
    data = redacted_data(json.loads(text))
    return json.dumps(data, indent=indent, sort_keys=True, ensure_ascii=False).encode() + b"\n"


def _each(value: object) -> object:
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, list | tuple):
        return [_each(item) for item in value]
    if isinstance(value, dict):
        return {_each(name): _each(item) for name, item in value.items()}
    return value
