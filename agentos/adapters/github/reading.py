"""What GitHub's comments and accounts are to the pipeline; a comment of ours carries its key in a hidden first line."""

from agentos.adapters.github.outgoing import incoming
from agentos.adapters.github.wire import Account, CommentAnswer
from agentos.domain.issue import Comment
from agentos.domain.naming import clean_text


def cleaned(body: str | None) -> str:
    """A text of GitHub's without what breaks storage or eyes, nor empty lines around it."""
    return clean_text(body or "").strip("\n")


def key_line(comment: CommentAnswer) -> str:
    """The first line, where ours carries its key."""
    return cleaned(comment.body).partition("\n")[0].strip()


def last_line(body: str | None) -> str:
    """The last line, where an issue that we filed carries its key."""
    return cleaned(body).rstrip().rpartition("\n")[2].strip()


def said_in(comment: CommentAnswer) -> str:
    """The text of a comment of ours, without its key."""
    return incoming(cleaned(comment.body).partition("\n")[2].strip("\n"))


def name_of(user: Account | None) -> str:
    """How an account is called; one that was deleted is `ghost`, as GitHub shows it."""
    return clean_text(user.login) if user is not None else "ghost"


def comment_of(found: CommentAnswer, *, ours: bool) -> Comment:
    """The comment as the pipeline sees it; `ours`: it comes from the account of our token."""
    ours = ours and key_line(found).startswith("<!-- agentos:effect ")
    return Comment(
        id=str(found.id),
        author=name_of(found.user),
        body=said_in(found) if ours else cleaned(found.body),
        at=found.created_at,
        edited=found.updated_at not in ("", found.created_at),
        is_bot=ours or (found.user is not None and found.user.kind == "Bot"),
        author_id=str(found.user.id) if found.user is not None else "",
    )
