"""Markdown on a terminal whose tables lose nothing: what is too wide goes on in the next line."""

from typing import Any, ClassVar

from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Markdown, MarkdownElement, TableElement
from rich.table import Table


class _FoldingTable(TableElement):
    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in super().__rich_console__(console, options):
            if isinstance(part, Table):
                for column in part.columns:
                    column.overflow = "fold"
            yield part


class FoldingMarkdown(Markdown):
    """Markdown whose table cells are folded, not cut."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "table_open": _FoldingTable}

    def __init__(self, markup: str, **options: Any) -> None:
        super().__init__(markup.rstrip(), **options)
