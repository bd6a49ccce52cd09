"""One repository under watch: its settings as they hold now, and what a look at it brought."""

from collections.abc import Awaitable, Callable

from agentos.bootstrap import Place
from agentos.domain.error import OutsideError, UsageError
from agentos.domain.run import Run
from agentos.runs.desk import Desk
from agentos.runs.intake import Found, Intake
from agentos.runs.tending import hidden, live_runs, numbers_of
from agentos.service.notice import Notice, Tell
from agentos.service.rhythm import Rhythm

Opens = Callable[[], Awaitable[Place]]


class Watch:
    """The repository that `opens` gives; `place` is as it was at the last look that found its settings in order."""

    def __init__(self, desk: Desk, place: Place, opens: Opens, tell: Tell) -> None:
        self.place = place
        service = place.settings.service
        self.rhythm = Rhythm(service.poll_active_s, service.poll_idle_s)
        self.is_fit = True
        self._desk, self._opens, self._tell = desk, opens, tell
        self._intake = Intake(desk)
        self._trouble: dict[str, str] = {}
        self._is_first = True
        self._hidden: frozenset[int] = frozenset()

    @property
    def repo(self) -> str:
        """Its repo-key."""
        return self.place.target.repo

    async def runs(self) -> tuple[Run, ...]:
        """Its live runs, oldest first."""
        return await live_runs(self._desk, self.repo, str(self.place.target.folder))

    async def look(self) -> tuple[bool, frozenset[int]]:
        """Whether there was something to do, and the runs that something happened at since the last look; at the first
        look all of them. Effect: new runs are queued. Never raises for what is out of reach: it is said once."""
        await self._reload()
        try:
            found = await self._intake.look(self.place.target, self.place.settings.trust.people, takes=self.is_fit)
            touched = await self._touched(found)
        except OutsideError as exc:
            self._say_trouble("tracker", str(exc.kind), f"nothing can be looked up now: {exc}")
            return False, frozenset()
        self._say_over("tracker", "is reached again")
        for run in found.runs:
            self._tell(Notice(f"taken in as run #{run.ref.number}", self.repo, run.ref.issue.number))
        for refused in found.refused:
            self._tell(Notice(f"not begun: {refused.why}", self.repo, refused.number, is_trouble=True))
        return bool(found.runs or touched), touched

    async def _touched(self, found: Found) -> frozenset[int]:
        runs = await self.runs()
        touched = {run.ref.id for run in runs if self._is_first or await self._is_touched(run, found.touched)}
        now = hidden(runs, found.waiting)
        touched |= now - self._hidden  # once: what opted out, and what is gone, gets no mark again
        self._is_first, self._hidden = False, now
        return frozenset(touched)

    async def _is_touched(self, run: Run, numbers: frozenset[int]) -> bool:
        return bool(numbers) and bool(await numbers_of(self._desk, run) & numbers)

    async def _reload(self) -> None:
        """Effect: the settings are as the repository has them now; where they are not in order, as they were."""
        try:
            fresh = await self._opens()
            fresh.target.require_means()
        except (UsageError, OutsideError) as exc:
            self.is_fit = False
            self._say_trouble("settings", str(exc), f"no run is begun or goes on until this is put right: {exc}")
            return
        if fresh.loaded != self.place.loaded:
            self.place = fresh  # a new tracker knows nothing yet: it is made only where something changed
            if "settings" not in self._trouble:
                self._tell(Notice("settings read anew", self.repo))
        self.is_fit = True
        self._say_over("settings", "settings are in order again")

    def _say_trouble(self, about: str, kind: str, text: str) -> None:
        if self._trouble.get(about) != kind:
            self._trouble[about] = kind
            self._tell(Notice(text, self.repo, is_trouble=True))

    def _say_over(self, about: str, text: str) -> None:
        if self._trouble.pop(about, None) is not None:
            self._tell(Notice(text, self.repo))
