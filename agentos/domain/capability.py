"""Which ports and tools each role of a model is given (I13). Whoever gives one out reads it here; a test compares."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """What a model is asked to be."""

    DRAFTER = "drafter"
    REVIEWER = "reviewer"
    IMPLEMENTER = "implementer"


class Port(StrEnum):
    """A way out of this process."""

    MODELS = "models"
    SANDBOX = "sandbox"
    AGENT = "agent"
    TRACKER = "tracker"
    FORGE = "forge"
    DEPLOYER = "deployer"
    NOTIFIER = "notifier"


class Tool(StrEnum):
    """What a model may call by itself."""

    BASH = "bash"
    VIEW = "view"
    EDIT = "edit"
    WRITE = "write"
    SEARCH = "search"
    SUBMIT = "submit"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a role holds: `ports` that work for it, `tools` it may call, in the order it is told of them."""

    ports: frozenset[Port] = frozenset()
    tools: tuple[Tool, ...] = ()


GRANTS: dict[Role, Grant] = {
    Role.DRAFTER: Grant(frozenset({Port.MODELS})),
    Role.REVIEWER: Grant(frozenset({Port.MODELS})),
    Role.IMPLEMENTER: Grant(
        frozenset({Port.MODELS, Port.SANDBOX}),
        (Tool.BASH, Tool.VIEW, Tool.EDIT, Tool.WRITE, Tool.SEARCH, Tool.SUBMIT),
    ),
}
"""Drafters and reviewers are shown text and answer in a form; tracker, forge, deployment and notices belong to the steps of the
graph, which are code."""
