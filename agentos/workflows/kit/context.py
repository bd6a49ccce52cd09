"""What a run hands to every step of its graph: ports, stores, settings and prompts (LangGraph's `context`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from agentos.config.models import ModelChoice
from agentos.config.settings import Settings
from agentos.config.workflow import Workflow
from agentos.domain.issue import IssueRef
from agentos.domain.requests import Requests
from agentos.domain.run import RunRef
from agentos.ports.agent import CodingAgent
from agentos.ports.clock import Clock
from agentos.ports.deployer import Deployer
from agentos.ports.forge import Forge
from agentos.ports.notifier import Notifier
from agentos.ports.sandbox import Sandbox
from agentos.ports.tracker import Tracker
from agentos.prompting.library import PromptLibrary
from agentos.store import Store
from agentos.store.fence import Fence
from agentos.workspace.repository import OwnedRepository

if TYPE_CHECKING:
    from agentos.workflows.kit.recorded_model import RecordedModels


@runtime_checkable
class Counting(Protocol):
    """A port whose backend asks a service that counts requests."""

    @property
    def requests(self) -> Requests:
        """What it asked so far."""
        ...


@dataclass(frozen=True)
class Ports:
    """The outside world of one run. Agent roles (drafter, reviewer, implementer) reach `models`, `agent` and `sandbox`
    alone; tracker and forge belong to the steps (I13)."""

    tracker: Tracker
    forge: Forge
    agent: CodingAgent
    models: "RecordedModels"
    sandbox: Sandbox
    deployer: Deployer
    notifier: Notifier
    clock: Clock

    @property
    def requests(self) -> Requests:
        """What was asked of services that count it, since this equipment was made."""
        asking = (self.tracker, self.forge, self.deployer)
        return sum((each.requests for each in asking if isinstance(each, Counting)), Requests())


@dataclass(frozen=True)
class RunContext:
    """One run's whole equipment, valid while `fence` holds."""

    run: RunRef
    fence: Fence
    settings: Settings
    workflow: Workflow
    choice: ModelChoice
    prompts: PromptLibrary
    ports: Ports
    store: Store
    repo: OwnedRepository
    target: Path
    home: Path
    given_brief: str = ""
    """The issue brief a person wrote (`--from-brief`); empty where triage is to write it."""

    @property
    def issue(self) -> IssueRef:
        """The issue the run works on."""
        return self.run.issue

    @property
    def folder(self) -> Path:
        """The run's scratch folder, outside the target repository; gone after the run."""
        return self.home / "scratch" / str(self.run.id)
