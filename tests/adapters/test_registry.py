import subprocess
import sys

import pytest

from agentos.adapters.registry import BACKENDS, backend
from agentos.domain.error import BugError, UsageError


@pytest.mark.parametrize(("port", "kind"), [(port, kind) for port, kinds in BACKENDS.items() for kind in kinds])
def test_every_line_of_the_registry_names_a_class(port: str, kind: str) -> None:
    assert backend(port, kind).__name__.lower().startswith(kind.replace("-", "")[:4].lower())


def test_an_unknown_kind_is_answered_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match=r"'flies' is no tracker; one of: .*files.*did you mean files\?"):
        backend("tracker", "flies")


def test_a_port_that_does_not_exist_is_a_bug() -> None:
    with pytest.raises(BugError, match="trackers"):
        backend("trackers", "files")


def test_asking_for_a_clock_imports_no_other_backend() -> None:
    script = (
        "import sys; from agentos.adapters.registry import backend; backend('clock', 'system');"
        "print([m for m in sys.modules if m.startswith(('agentos.adapters.tracker', 'agentos.adapters.forge', 'ruamel'))])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
