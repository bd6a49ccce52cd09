"""How long the service waits between two looks."""

from dataclasses import dataclass


@dataclass
class Rhythm:
    """Every `active_s` while there is something to do; else twice as long each time, up to `idle_s`."""

    active_s: float
    idle_s: float
    _last_s: float = 0.0

    def after(self, *, busy: bool) -> float:
        """Seconds to the next look, after one that found something to do or not."""
        longer = min(max(self.idle_s, self.active_s), self._last_s * 2)
        self._last_s = longer if self._last_s and not busy else self.active_s
        return self._last_s

    def begin_again(self) -> None:
        """Effect: the next look but one is as near as while there is something to do."""
        self._last_s = 0.0

    @property
    def is_slow(self) -> bool:
        """Whether it waits longer than while there is something to do."""
        return self._last_s > self.active_s
