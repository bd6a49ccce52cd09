"""A notifier that remembers, for tests of everything above the port."""

from agentos.ports.notifier import Notice


class MemoryNotifier:
    """Keeps what it was told in `notices`, oldest first."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []

    async def notify(self, notice: Notice) -> None:
        """Effect: the notice is remembered."""
        self.notices.append(notice)
