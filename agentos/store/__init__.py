"""What is remembered, in PostgreSQL."""

from dataclasses import dataclass
from pathlib import Path

from agentos.store.artifacts import ArtifactStore
from agentos.store.costs import CostStore
from agentos.store.database import Database
from agentos.store.decisions import DecisionStore
from agentos.store.deliveries import DeliveryStore
from agentos.store.effects import EffectStore
from agentos.store.exchanges import ExchangeStore
from agentos.store.ledger import Ledger, Observer, unseen
from agentos.store.plans import PlanStore
from agentos.store.runs import RunStore


@dataclass(frozen=True)
class Store:
    """Everything that is remembered, by what it is about. The saver is apart (`store/saver.py`): it brings LangGraph."""

    db: Database
    runs: RunStore
    effects: EffectStore
    ledger: Ledger
    decisions: DecisionStore
    artifacts: ArtifactStore
    exchanges: ExchangeStore
    costs: CostStore
    plans: PlanStore
    deliveries: DeliveryStore

    @classmethod
    def on(cls, db: Database, home: Path, observe: Observer = unseen) -> "Store":
        """The store on an open database; `home` is the data folder that artifacts are mirrored to."""
        return cls(
            db,
            RunStore(db, observe),
            EffectStore(db),
            Ledger(db, observe),
            DecisionStore(db),
            ArtifactStore(db, home),
            ExchangeStore(db),
            CostStore(db),
            PlanStore(db),
            DeliveryStore(db),
        )
