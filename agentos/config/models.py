"""Which model does what where nobody said: by the keys that are there."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache

from agentos.config.budgets import PriceSettings
from agentos.config.data import data_folder
from agentos.config.settings import Settings
from agentos.config.short_forms import plain_model
from agentos.config.yaml_text import read_mapping
from agentos.domain.error import UsageError
from agentos.domain.pipeline import Stage

DRAFTER, REVIEWER, IMPLEMENTER = "drafter", "reviewer", "implementer"
SCRIPTED = "scripted"


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider's default models by role, and the environment variables that may hold its key.

    `others`: models to review with, best first, where no other provider is at hand.
    """

    keys: tuple[str, ...]
    triage: str
    drafter: str
    implementer: str
    reviewer: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """The model of every role of every stage that asks one, and what people should know about the choice."""

    models: Mapping[tuple[Stage, str], str]
    announcements: tuple[str, ...] = ()

    def of(self, stage: Stage, role: str) -> str:
        """The `provider:model` for `role` in `stage`."""
        return self.models[stage, role]


@cache
def provider_table() -> Mapping[str, Provider]:
    """The known providers, the preferred first, as `configs/models.yaml` has them."""
    path = data_folder("configs") / "models.yaml"
    table = read_mapping(path.read_text("utf-8"), where=str(path))["providers"]
    return {
        name: Provider(
            tuple(row["keys"]), row["triage"], row["drafter"], row["implementer"], row["reviewer"], tuple(row["others"])
        )
        for name, row in table.items()
    }


def choose(settings: Settings, keys_present: Collection[str]) -> ModelChoice:
    """The models of a run. `keys_present`: names of environment variables that hold a key.

    What is set counts. Else drafters and implementer come from the first provider whose key is there; reviewers from
    another such provider, or they are another model of the same one, which is announced.
    Raises UsageError where a model is needed and neither a key nor a script is there.
    """
    at_hand = [name for name, row in provider_table().items() if any(key in keys_present for key in row.keys)]
    chooser = _Chooser(scripted=settings.models.script is not None, at_hand=tuple(at_hand))
    stages = settings.orchestrator.stages
    triage = stages.triage.drafter or chooser.worker("triage")
    lld = stages.lld.drafter or chooser.worker(DRAFTER)
    spec = stages.spec.drafter or chooser.worker(DRAFTER)
    implementer = stages.implementation.implementer or chooser.worker(IMPLEMENTER)
    impl_reviewer = stages.implementation.reviewer or chooser.reviewer(implementer)
    models = {
        (Stage.TRIAGE, DRAFTER): triage,
        (Stage.LLD, DRAFTER): lld,
        (Stage.LLD, REVIEWER): stages.lld.reviewer or chooser.reviewer(lld),
        (Stage.SPEC, DRAFTER): spec,
        (Stage.SPEC, REVIEWER): stages.spec.reviewer or chooser.reviewer(spec),
        (Stage.IMPL, IMPLEMENTER): implementer,
        (Stage.IMPL, REVIEWER): impl_reviewer,
        (Stage.REVIEW, IMPLEMENTER): implementer,
        (Stage.REVIEW, REVIEWER): impl_reviewer,
        (Stage.FINALIZE, DRAFTER): triage,
    }
    return ModelChoice(models, _announcements(models))


def price_table(settings: Settings) -> Mapping[str, PriceSettings]:
    """Prices by `provider:model` that go before the built-in ones: the operator's, then `configs/prices.yaml`."""
    path = data_folder("configs") / "prices.yaml"
    shipped = read_mapping(path.read_text("utf-8"), where=str(path)).get("prices") or {}
    return {plain_model(name): PriceSettings(**row) for name, row in shipped.items()} | settings.models.prices


@dataclass(frozen=True, slots=True)
class _Chooser:
    scripted: bool
    at_hand: tuple[str, ...]

    def worker(self, role: str) -> str:
        """The default model for work that is not judging."""
        if self.scripted:
            return f"{SCRIPTED}:{IMPLEMENTER if role == IMPLEMENTER else DRAFTER}"
        if not self.at_hand:
            raise UsageError(_no_key())
        provider = self.at_hand[0]
        return f"{provider}:{getattr(provider_table()[provider], role)}"

    def reviewer(self, judged: str) -> str:
        """A model to judge the work of `judged` that is, if at all possible, another one."""
        provider, _, model = judged.partition(":")
        if self.scripted and provider == SCRIPTED:
            return f"{SCRIPTED}:{REVIEWER}"
        elsewhere = [name for name in self.at_hand if name != provider]
        if elsewhere:
            return f"{elsewhere[0]}:{provider_table()[elsewhere[0]].reviewer}"
        known = provider_table().get(provider)
        others = [other for other in known.others if other != model] if known is not None else []
        return f"{provider}:{others[0]}" if others else judged


def _announcements(models: Mapping[tuple[Stage, str], str]) -> tuple[str, ...]:
    said: list[str] = []
    if any(model.startswith(f"{SCRIPTED}:") for model in models.values()):
        said.append("Model replies come from a file; everything else is real.")
    own: dict[str, list[str]] = {}
    for stage, worker in ((Stage.LLD, DRAFTER), (Stage.SPEC, DRAFTER), (Stage.IMPL, IMPLEMENTER)):
        work, judge = models[stage, worker], models[stage, REVIEWER]
        if work.startswith(f"{SCRIPTED}:"):
            continue
        if work == judge:
            own.setdefault(work, []).append(stage)
        elif work.partition(":")[0] == judge.partition(":")[0]:
            said.append(f"{judge} reviews the work of {work}: no key of another provider was found.")
    for work, stages in own.items():
        said.append(f"{work} reviews its own work in {', '.join(stages)}: set another reviewer for a second opinion.")
    return tuple(dict.fromkeys(said))


def _no_key() -> str:
    keys = ", ".join(row.keys[0] for row in provider_table().values())
    return (
        f"No model can be asked: no provider's key was found. Set one of {keys} in the environment, "
        "or name models under orchestrator.stages (drafter, reviewer, implementer)."
    )
