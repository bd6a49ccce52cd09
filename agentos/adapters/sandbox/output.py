"""Output of unknown length in known memory."""

from agentos.domain.naming import clean_text


class HeadTail:
    """The first and the last half of `limit_bytes` of what is added; what lies between is counted and dropped."""

    def __init__(self, limit_bytes: int) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._head_limit = max(1, limit_bytes // 2)
        self._tail_limit = max(1, limit_bytes - self._head_limit)
        self._total = 0
        self._notes: list[str] = []

    @property
    def truncated(self) -> bool:
        """Whether something was dropped."""
        return self._total > self._head_limit + self._tail_limit

    def add(self, data: bytes) -> None:
        """Effect: `data` counts as the next output."""
        self._total += len(data)
        room = self._head_limit - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * self._tail_limit:
            del self._tail[: -self._tail_limit]

    def note(self, sentence: str) -> None:
        """Effect: `sentence` is told after the output."""
        self._notes.append(sentence)

    def text(self) -> str:
        """What was kept, as storable text, with a note where something was dropped."""
        tail = bytes(self._tail[-self._tail_limit :])
        if not self.truncated:
            told = (bytes(self._head) + tail).decode("utf-8", "replace")
        else:
            left_out = self._total - len(self._head) - len(tail)
            head = bytes(self._head).decode("utf-8", "replace")
            told = f"{head}\n[... {left_out} bytes left out ...]\n{tail.decode('utf-8', 'replace')}"
        return clean_text("\n".join([told, *(f"[{sentence}]" for sentence in self._notes)]))
