"""AgentOS: takes an issue to a merged, verified change."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentos.bootstrap import aorchestrate, orchestrate

__version__ = "0.1.0"
__all__ = ["__version__", "aorchestrate", "orchestrate"]


def __getattr__(name: str) -> object:
    """The programmatic entry, imported when first asked for: `import agentos` alone stays instant."""
    if name in ("orchestrate", "aorchestrate"):
        return getattr(import_module("agentos.bootstrap"), name)
    raise AttributeError(f"module 'agentos' has no attribute {name!r}")
