"""Settings read from where people write them. The only reader of the environment on this floor."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import SecretStr, ValidationError

from agentos.config.authority import JUDGED, violations
from agentos.config.complaint import complaints, suggestion
from agentos.config.settings import Settings
from agentos.config.short_forms import spelled_out
from agentos.config.workflow import WORKFLOW_FILE, Workflow, parse_workflow
from agentos.config.yaml_text import read_mapping
from agentos.domain.error import UsageError

PREFIX = "AGENTOS_"
CONFIG_VARIABLE = "AGENTOS_CONFIG"
WEBHOOK_SECRET_VARIABLE = "AGENTOS_GITHUB_WEBHOOK_SECRET"  # noqa: S105
_OTHER_VARIABLES = frozenset(
    {CONFIG_VARIABLE, WEBHOOK_SECRET_VARIABLE, "AGENTOS_CRASH_AT", "AGENTOS_RESTARTED_UNDER_VENV"}
)
_SECRET_NAME = re.compile(
    r"TOKEN|SECRET|PASSW(?:OR)?D|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|_PAT$", re.IGNORECASE
)
_RELATIVE_PATHS = (("home",), ("models", "script"), ("github", "private_key_file"))


@dataclass(frozen=True, slots=True)
class Loaded:
    """The settings that hold, where each comes from (by dotted key), and the WORKFLOW.md they were read with."""

    settings: Settings
    origins: Mapping[str, str]
    workflow: Workflow


@dataclass(frozen=True, slots=True)
class _Layer:
    """One source of values. `label` is what people are told; the environment names its variables instead."""

    label: str
    values: dict[str, Any]

    def names(self, path: tuple[str, ...]) -> bool:
        """Whether this source says something at `path`."""
        value: Any = self.values
        for part in path:
            if not isinstance(value, dict):
                return True
            if part not in value:
                return False
            value = value[part]
        return True


def load(
    target: Path | None, *, overrides: Mapping[str, Any] | None = None, workflow_text: str | None = None
) -> Loaded:
    """The settings for the repository at `target`; None: those that hold outside of any.

    Command line (`overrides`: dotted keys or nested mappings, only what was given) goes before the environment, then
    WORKFLOW.md (`workflow_text`, as it is on the base branch), the user configuration, and defaults.
    Raises UsageError with one sentence for each problem.
    """
    workflow = parse_workflow(workflow_text)
    user = _user_layer()
    policy = _Layer(WORKFLOW_FILE, spelled_out(workflow.front, Settings))
    environment = _Layer("environment", spelled_out(_from_environment(), Settings))
    command_line = _Layer("command line", spelled_out(_nested(overrides or {}), Settings))
    layers = (command_line, environment, policy, user)
    settings = _validated(_merged(layers), layers)
    held = _merged((command_line, environment, user))
    operator = _validated({**_part_of(held, JUDGED), "home": settings.home}, layers)
    problems = violations(workflow.front, operator, settings)
    if problems:
        raise UsageError("\n".join(problems))
    settings = _with_whole_paths(settings, layers)
    if target is not None:
        _apart(settings.home, target)
    return Loaded(settings, {".".join(path): _origin(path, layers) for path in _leaves(settings)}, workflow)


def keys_present() -> frozenset[str]:
    """The names of the environment variables that hold a model provider's key; the keys themselves stay where they are."""
    from agentos.config.models import provider_table  # reads a file, and not every command asks a model

    wanted = {name for provider in provider_table().values() for name in provider.keys}
    return frozenset(name for name in wanted if os.environ.get(name, "").strip())


def github_token(settings: Settings) -> SecretStr | None:
    """The token for GitHub: the setting, else what `GITHUB_TOKEN` holds; None where neither says one."""
    if settings.github_token is not None:
        return settings.github_token
    usual = os.environ.get("GITHUB_TOKEN", "").strip()
    return SecretStr(usual) if usual else None


def github_key(settings: Settings) -> SecretStr | None:
    """The private key of the GitHub App: the setting, else what the file holds; None where neither names one.

    Raises: UsageError for a file that cannot be read.
    """
    if settings.github_private_key is not None:
        # Where a variable holds one line only, people write its line ends as \\n.
        return SecretStr(settings.github_private_key.get_secret_value().replace("\\n", "\n"))
    path = settings.github.private_key_file
    if path is None:
        return None
    try:
        return SecretStr(path.read_text("ascii"))
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is no PEM file"
        raise UsageError(f"github.private_key_file names {path}, which cannot be read: {why}") from None


def webhook_secret() -> SecretStr | None:
    """What GitHub signs its webhooks with; it comes from the environment alone."""
    said = os.environ.get(WEBHOOK_SECRET_VARIABLE, "").strip()
    return SecretStr(said) if said else None


def secrets_present(settings: Settings) -> frozenset[str]:
    """The values that must not leave this process: of environment variables that are called secret, and of the database's
    address. A variable that only names a file is none."""
    named = [value for name, value in os.environ.items() if _SECRET_NAME.search(name)]
    values = {value for value in named if not (value.startswith(("/", "~")) and Path(value).expanduser().exists())}
    values |= {each.get_secret_value() for each in (settings.github_token, settings.github_private_key) if each}
    if settings.database_url is not None:
        url = settings.database_url.get_secret_value()
        values |= {url, urlsplit(url).password or "", unquote(urlsplit(url).password or "")}
    return frozenset(values)


def _user_layer() -> _Layer:
    named = os.environ.get(CONFIG_VARIABLE, "").strip()
    if named:
        path = Path(named).expanduser().absolute()
        if not path.is_file():
            raise UsageError(f"{CONFIG_VARIABLE} names {path}, and no such file is there.")
    else:
        from platformdirs import user_config_dir  # not needed where the file is named

        try:
            path = Path(user_config_dir("agentos", appauthor=False)) / "config.yaml"
        except RuntimeError:  # a user without a home folder has no configuration in it
            return _Layer("user config", {})
        if not path.is_file():
            return _Layer(f"user config {path}", {})
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        raise UsageError(f"The user configuration {path} cannot be read: {exc}.") from exc
    return _Layer(f"user config {path}", spelled_out(read_mapping(text, where=str(path)), Settings))


def _from_environment() -> dict[str, Any]:
    if not _our_variables():
        return {}
    # 0.1 s, which `status` without any of our variables need not pay
    from pydantic_settings import BaseSettings, EnvSettingsSource
    from pydantic_settings.exceptions import SettingsError

    class Shape(Settings, BaseSettings):  # type: ignore[misc]  # their two configurations agree where it counts
        """`Settings` as pydantic-settings wants to see them to split the names of variables; never filled."""

    source = EnvSettingsSource(
        Shape, env_prefix=PREFIX, env_nested_delimiter="__", case_sensitive=False, env_ignore_empty=True
    )
    try:
        return dict(source())
    except (SettingsError, ValueError) as exc:
        word = str(exc).split('"')[1] if '"' in str(exc) else ""
        raise UsageError(
            f"{PREFIX}{word.upper()}: a list or a group of settings should be JSON in the environment, "
            "for example AGENTOS_TRUST__PEOPLE='[\"ann\"]'."
        ) from exc


def _our_variables() -> list[str]:
    """The variables that set something here. One that resembles no setting is somebody else's; a misspelt one would be
    ignored in silence, so it is refused."""
    found = []
    for name in sorted(os.environ):
        if not name.upper().startswith(PREFIX) or name.upper() in _OTHER_VARIABLES:
            continue
        first = name[len(PREFIX) :].lower().split("__")[0]
        meant = suggestion(first, [*Settings.model_fields, "config"], closeness=0.8)
        if first not in Settings.model_fields and meant:
            raise UsageError(f"{name} is no setting. Did you mean {PREFIX}{meant.upper()}?")
        found += [name] if first in Settings.model_fields else []
    return found


def _nested(overrides: Mapping[str, Any]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    for key, value in overrides.items():
        inner: Any = _nested(value) if isinstance(value, Mapping) and "." not in key else value
        for part in reversed(key.split(".")):
            inner = {part: inner}
        built = _over(inner, built)
    return built


def _merged(layers: tuple[_Layer, ...]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in reversed(layers):
        merged = _over(layer.values, merged)
    return merged


def _over(upper: Mapping[str, Any], lower: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(lower)
    for key, value in upper.items():
        below = merged.get(key)
        merged[key] = _over(value, below) if isinstance(value, dict) and isinstance(below, dict) else value
    return merged


def _part_of(values: Mapping[str, Any], dotted: Iterable[str]) -> dict[str, Any]:
    """`values` without what lies under none of the keys `dotted`."""
    part: dict[str, Any] = {}
    for key in dotted:
        first, _, rest = key.partition(".")
        inner = values.get(first)
        if isinstance(inner, Mapping) and rest:
            part[first] = {**part.get(first, {}), **_part_of(inner, (rest,))}
        elif inner is not None and not rest:
            part |= {first: inner}
    return part


def _validated(values: dict[str, Any], layers: tuple[_Layer, ...]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as exc:
        raise UsageError("\n".join(complaints(exc, lambda path: _origin(path, layers)))) from exc


def _leaves(settings: Settings) -> Iterator[tuple[str, ...]]:
    waiting: list[tuple[tuple[str, ...], Any]] = [((), settings.model_dump())]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict) and value:
            waiting += [((*path, key), item) for key, item in reversed(value.items())]
        else:
            yield path


def _origin(path: tuple[str, ...], layers: tuple[_Layer, ...]) -> str:
    layer = next((layer for layer in layers if path and layer.names(path)), None)
    if layer is None:
        return "default"
    return layer.label if layer.label != "environment" else f"environment {_variable(path)}"


def _variable(path: tuple[str, ...]) -> str:
    """The variable that set `path`: its own, or the nearest above it that held JSON."""
    present = {name.upper(): name for name in os.environ}
    for length in range(len(path), 0, -1):
        name = (PREFIX + "__".join(path[:length])).upper()
        if name in present:
            return present[name]
    return (PREFIX + "__".join(path)).upper()


def _with_whole_paths(settings: Settings, layers: tuple[_Layer, ...]) -> Settings:
    """`settings` whose paths hold from any folder: in a file they are relative to it, elsewhere to where one stands."""

    def whole(path: tuple[str, ...], value: Path) -> Path:
        origin = _origin(path, layers)
        start = Path(origin.removeprefix("user config ")).parent if origin.startswith("user config ") else Path.cwd()
        return start / value.expanduser()

    home, script = settings.home, settings.models.script
    models = settings.models
    if script is not None and "://" not in script:
        models = models.model_copy(update={"script": str(whole(_RELATIVE_PATHS[1], Path(script)))})
    github, key = settings.github, settings.github.private_key_file
    if key is not None:
        github = github.model_copy(update={"private_key_file": whole(_RELATIVE_PATHS[2], key)})
    return settings.model_copy(update={"home": whole(_RELATIVE_PATHS[0], home), "models": models, "github": github})


def _apart(home: Path, target: Path) -> None:
    inside, repository = home.resolve(), target.resolve()
    if inside == repository or repository in inside.parents:
        raise UsageError(
            f"AgentOS would keep its data in {home}, inside the repository {target}: "
            "set AGENTOS_HOME to a folder outside of it."
        )
