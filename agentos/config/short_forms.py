"""What people may write shorter, written out: before sources are laid over each other, so that they meet key by key."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

PROVIDER_ALIASES = {"claude": "anthropic", "gemini": "google_genai"}
"""Provider names people write for the ones LangChain knows."""


def plain_commands(commands: Any) -> Any:
    """A command matrix whose bare lines became `{run: line}`."""
    if not isinstance(commands, dict):
        return commands
    return {name: {"run": value} if isinstance(value, str) else value for name, value in commands.items()}


def plain_models(models: Any) -> Any:
    """The settings `models` with providers under their own names."""
    if not isinstance(models, dict):
        return models
    plain = dict(models)
    if isinstance(urls := models.get("base_url"), dict):
        plain["base_url"] = {PROVIDER_ALIASES.get(name, name): url for name, url in urls.items()}
    if isinstance(prices := models.get("prices"), dict):
        plain["prices"] = {plain_model(str(name)): price for name, price in prices.items()}
    if isinstance(spares := models.get("fallback"), dict):
        plain["fallback"] = {plain_model(str(name)): plain_model(str(spare)) for name, spare in spares.items()}
    return plain


def plain_model(name: str) -> str:
    """`provider:model` with the provider under its own name."""
    provider, colon, model = name.partition(":")
    return f"{PROVIDER_ALIASES.get(provider, provider)}{colon}{model}"


def spelled_out(values: Mapping[str, Any], shape: type[BaseModel]) -> dict[str, Any]:
    """`values` of one source for settings of `shape`, every short form written out.

    An empty entry (`commands:` with nothing below it) is left out where None is no value of its own.
    """
    rules = {"commands": plain_commands, "models": plain_models}
    plain: dict[str, Any] = {}
    for key, value in values.items():
        field = shape.model_fields.get(key)
        if value is None and field is not None and field.default is not None:
            continue
        part = field.annotation if field is not None else None
        if isinstance(value, Mapping) and isinstance(part, type) and issubclass(part, BaseModel):
            value = spelled_out(value, part)
        plain[key] = rules[key](value) if key in rules else value
    return plain
