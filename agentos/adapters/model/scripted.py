"""Models that tell a script instead of thinking.

The key of a reply comes from the conversation itself, so time plays no part: killed and asked again, they say the same.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from agentos.adapters.model.script import (
    Key,
    ReplyServer,
    ReplySource,
    ReplyTable,
    ScriptedReply,
    read_script,
    spell,
)
from agentos.domain.pipeline import Stage
from agentos.ports.chat_model import CallRef, Tokens

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

__all__ = ["Key", "ReplyTable", "ScriptedModels", "ScriptedReply"]


class ScriptedModels:
    """Chat models that answer from a script: for the demo, for tests, never chosen unasked."""

    def __init__(self, *, source: ReplySource) -> None:
        self._source = source

    @classmethod
    def on(cls, script: str | Path, *, issue: int | None = None) -> "ScriptedModels":
        """The models of `script` (a YAML or JSON file, or a URL on this machine), told for the issue `issue`."""
        if str(script).startswith(("http://", "https://")):
            return cls(source=ReplyServer(str(script)))
        return cls(source=ReplyTable(read_script(Path(script), issue), origin=Path(script).name))

    def require(self, model: str) -> None:
        """Nothing: the script was read when this was made."""

    def open(self, model: str, call: CallRef) -> "BaseChatModel":
        """A chat model for one conversation, whatever follows `scripted:` in `model`."""
        from agentos.adapters.model.scripted_model import ScriptedChatModel  # imports langchain-core

        return ScriptedChatModel(source=self._source, call=call, model_name=model)

    def cost_usd(self, model: str, used: Tokens) -> float | None:
        """Nothing: a script costs no money."""
        return 0.0

    def answering(self, model: str) -> tuple[str, ...]:
        """The model alone."""
        return (model,)

    def leftovers(self, asked: Iterable[tuple[Stage, str, int, int]]) -> tuple[str, ...]:
        """One sentence for each reply of the script that nobody asked for."""
        missing = set(self._source.keys()) - set(asked)
        return tuple(f"nobody asked for the scripted reply {spell(key)}" for key in sorted(missing))
