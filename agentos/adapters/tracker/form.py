"""The intake form of a ticket, and tickets made from it."""

from pathlib import Path

from agentos.adapters.clock.system import SystemClock
from agentos.adapters.tracker.front_matter import FrontMatter, FrontMatterError, split_front_matter
from agentos.adapters.tracker.ticket import first_word, one_line
from agentos.adapters.tracker.ticket_folder import TICKET_LIMIT_BYTES, TicketFolder, read_text
from agentos.domain.error import UsageError
from agentos.domain.naming import slug
from agentos.ports.clock import Clock

TEMPLATE_NAME = "_template.md"
FORM = """\
## Objective

<!-- What should be different, and for whom? One or two sentences. -->

## Acceptance criteria

<!-- One line each, checkable with yes or no:
- When <this happens>, <that can be seen>.
-->

## Constraints

<!-- What must stay as it is: interfaces, formats, dependencies, speed. "None" is an answer. -->

## Failure mode

<!-- What should happen when it goes wrong: an error message, an exit code, nothing changed. -->

## Allowed scope

<!-- Files that may change, as globs, one a line:
- src/**
- tests/**
-->

## Out of scope

<!-- What this ticket leaves for another one. -->
"""


def write_template(folder: Path) -> Path:
    """The path of the form in `folder`. Effect: it is there; a form that people changed stays as it is."""
    return TicketFolder(folder).put(TEMPLATE_NAME, FORM)


def new_ticket(folder: Path, title: str, clock: Clock | None = None) -> Path:
    """The path of a new ticket with the next number and the folder's form as its body, for a person to fill in.

    Raises: UsageError for an empty title, OutsideError where nothing can be written.
    """
    title = one_line(title)
    if not title:
        raise UsageError('a ticket needs a title: `agentos new "what should be different"`')
    tickets = TicketFolder(folder)
    written = read_text(folder / TEMPLATE_NAME, limit_bytes=TICKET_LIMIT_BYTES)
    try:
        body = split_front_matter(FORM if written is None else written).body
    except FrontMatterError as exc:
        raise UsageError(f"the form {folder / TEMPLATE_NAME} needs a hand: {exc}") from exc
    layout, today = tickets.layout(), (clock or SystemClock()).now().strftime("%Y-%m-%d")

    def content(number: int) -> str:
        fields = {"id": str(number), "title": title, "status": first_word(layout), "priority": "normal"}
        return ticket_text({**fields, "labels": (), "depends_on": (), "created": today, "updated": today}, body)

    return tickets.add(slug(title), layout, content).file


def ticket_text(fields: dict[str, str | tuple[str, ...]], body: str) -> str:
    """A whole ticket file: front matter of `fields` in their order, then `body`."""
    file = FrontMatter("---\n", "", f"---\n\n{body.strip(chr(10))}\n")
    for key, value in fields.items():
        if isinstance(value, str):
            file = file.with_scalar(key, value)
        else:
            file = FrontMatter(file.opening, f"{file.yaml}{key}: []\n", file.rest).with_items(key, add=value)
    return file.text
