"""A run's events as lines: for people a time, a stage and a sentence; for programs a JSON object."""

from agentos.cli.documents import EventDocument
from agentos.cli.sentences import Narrator
from agentos.cli.terminal import one_line, second
from agentos.domain.event import Event

_WIDTH = 9
_NAMING = ("title", "node", "key", "path", "outcome", "why")


class LogLines:
    """Turns events into lines, in order: what one says may depend on those before."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json
        self._narrator = Narrator()

    def line(self, event: Event) -> str:
        """The line for `event`; every event has one."""
        if self._as_json:
            document = EventDocument(
                seq=event.seq, at=event.at, kind=event.kind, stage=event.stage, step=event.step, data=dict(event.data)
            )
            return document.model_dump_json()
        said = self._narrator.tell(event)
        text = said.text if said is not None else _plain(event)
        return f"{second(event.at)}  {event.stage or 'run':<{_WIDTH}} {text}"


def _plain(event: Event) -> str:
    """What machines need, in so few words: the kind, and what names the thing it is about."""
    about = next((str(event.data[key]) for key in _NAMING if event.data.get(key)), event.step or "")
    return one_line(f"{event.kind.replace('_', ' ')} {about}".strip(), 200)
