"""Words and numbers of the settings, each with the sentence that says what it should be."""

from pathlib import PurePosixPath
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agentos.config.short_forms import plain_model


def _model_name(text: str) -> str:
    provider, colon, model = text.strip().partition(":")
    if not (provider and colon and model) or any(sign.isspace() for sign in text.strip()):
        raise ValueError("should be provider:model, for example anthropic:claude-opus-5-5")
    return plain_model(text.strip())


def _inside(text: str) -> str:
    path = PurePosixPath(text)
    if not text.strip() or path.is_absolute() or ".." in path.parts:
        raise ValueError("should be a folder inside the repository, given relative to its root")
    return str(path)


def as_glob(text: str) -> str:
    """`text`, if it is a glob. Raises ValueError where it is none."""
    from pathspec import GitIgnoreSpec  # only where a path is limited

    try:
        GitIgnoreSpec.from_lines([text])
    except ValueError as exc:
        raise ValueError("should be a glob as in .gitignore, for example src/**") from exc
    return text


ModelName: TypeAlias = Annotated[str, AfterValidator(_model_name)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=7 * 24 * 3600, allow_inf_nan=False)]
Bound: TypeAlias = Annotated[int, Field(ge=1, le=50)]
CommandName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$")]
Confidence: TypeAlias = Annotated[int, Field(ge=0, le=100)]
PriorityName: TypeAlias = Annotated[str, AfterValidator(lambda name: name.strip().lower())]
FolderInside: TypeAlias = Annotated[str, AfterValidator(_inside)]
Host: TypeAlias = Annotated[str, Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})(?::[0-9]{1,5})?$")]
Glob: TypeAlias = Annotated[str, AfterValidator(as_glob)]


class Part(BaseModel):
    """A group of settings: an unknown key is an error, and a value that does not fit is not repeated in it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
