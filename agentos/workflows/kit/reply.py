"""Types for the fields of a model's reply: every text is cleaned and bounded where it enters."""

from typing import Annotated, TypeAlias, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict

from agentos.domain.naming import clean_text

T = TypeVar("T")
MOST_LINE, MOST_TEXT, MOST_ITEMS = 2_000, 20_000, 100


class Reply(BaseModel):
    """A reply or a part of one; a field nobody asked for is refused, so that a misspelt one is not lost."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _line(text: str) -> str:
    return _bounded(" ".join(clean_text(text).split()), MOST_LINE)


def _text(text: str) -> str:
    return _bounded(clean_text(text).strip(), MOST_TEXT)


def _code(text: str) -> str:
    return _bounded(clean_text(text).strip("\n"), MOST_TEXT)


def _bounded(text: str, most: int) -> str:
    if len(text) > most:
        raise ValueError(f"is {len(text)} characters long; at most {most} are taken")
    return text


def _filled(items: list[str]) -> list[str]:
    return few([item for item in items if item])


def few(items: list[T]) -> list[T]:
    """`items`, if they are not more than anybody would read."""
    if len(items) > MOST_ITEMS:
        raise ValueError(f"has {len(items)} items; at most {MOST_ITEMS} are taken")
    return items


Line: TypeAlias = Annotated[str, AfterValidator(_line)]
"""One line of plain text."""
Text: TypeAlias = Annotated[str, AfterValidator(_text)]
"""Some paragraphs of Markdown."""
Code: TypeAlias = Annotated[str, AfterValidator(_code)]
"""Lines of a file as they are; only line breaks around them go."""
Lines: TypeAlias = Annotated[list[Line], AfterValidator(_filled)]
"""A list of lines without empty ones."""
