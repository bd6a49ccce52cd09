"""What a target repository may not decide for the person who runs AgentOS: it may tighten, never loosen."""

from collections.abc import Mapping
from typing import Any

from agentos.config.settings import AUTHORITIES, MergeAuthority, Settings
from agentos.ports.sandbox import ANYWHERE

OPERATOR_ONLY = (
    "profile",
    "asked_for",
    "service",
    "sandbox",
    "sandbox_readable",
    "command_limits",
    "database_url",
    "home",
    "orchestrator.skip_lld",
    "orchestrator.skip_spec",
    "models.script",
    "models.base_url",
    "models.prices",
    "models.fallback",
    "github_token",
    "github.api_url",
    "github.project",
    "github_private_key",
    "github.app_id",
    "github.installation_id",
    "github.private_key_file",
)
"""Keys that WORKFLOW.md may not hold at all."""
JUDGED = ("budget", "trust", "commands", "merge_authority", "merge", "scope.types", "scope.protected")
"""Parts where WORKFLOW.md may only be stricter."""
_BELONGS = "it belongs to the operator: set it in the user configuration, the environment or on the command line"


def violations(front: Mapping[str, Any], operator: Settings, together: Settings) -> list[str]:
    """One sentence for each setting in which WORKFLOW.md loosens what is the operator's.

    `front` is its front matter, `operator` the settings without it (`JUDGED` parts only), `together` those with it.
    """
    found = [f"WORKFLOW.md may not set {key}; {_BELONGS}." for key in OPERATOR_ONLY if _holds(front, key)]
    found += _budget(operator, together)
    found += _network(operator, together)
    strangers = sorted(set(together.trust.people) - set(operator.trust.people))
    if strangers:
        found.append(f"WORKFLOW.md may not trust {', '.join(strangers)} (trust.people); {_BELONGS}.")
    wider = [kind for kind in together.scope.types if kind not in operator.scope.types]
    if wider:
        found.append(f"WORKFLOW.md may not let a standing rule start {', '.join(wider)} (scope.types); {_BELONGS}.")
    freed = [glob for glob in operator.scope.protected if glob not in together.scope.protected]
    if freed:
        found.append(
            f"WORKFLOW.md may only add to {', '.join(operator.scope.protected)} (scope.protected); {_BELONGS}."
        )
    return found + _merging(operator, together)


def _holds(front: Mapping[str, Any], dotted: str) -> bool:
    value: Any = front
    for part in dotted.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return False
        value = value[part]
    return True


def _network(operator: Settings, together: Settings) -> list[str]:
    found = []
    for name, command in together.commands.items():
        allowed = operator.commands[name].hosts if name in operator.commands else ()
        more = [host for host in command.hosts if host not in allowed and allowed != ANYWHERE]
        if more:
            what = "the network" if command.hosts == ANYWHERE else ", ".join(more)
            words = "true" if command.hosts == ANYWHERE else f"[{', '.join(more)}]"
            found.append(
                f"WORKFLOW.md may not give {what} to commands.{name}; {_BELONGS} (commands.{name}.network: {words})."
            )
    return found


def _budget(operator: Settings, together: Settings) -> list[str]:
    found, wanted = [], dict(together.budget.keyed())
    for key, ceiling in operator.budget.keyed():
        if ceiling is not None and ((more := wanted[key]) is None or more > ceiling):
            found.append(f"WORKFLOW.md may only lower {key}, which the operator set to {ceiling}; {_BELONGS}.")
    return found


def _merging(operator: Settings, together: Settings) -> list[str]:
    wanted, held = together.merge_authority, operator.merge_authority
    looser = AUTHORITIES.index(wanted) > AUTHORITIES.index(held)
    said = "merge_authority" in operator.model_fields_set
    found = []
    if looser and (said or wanted == "auto"):
        found = [f"WORKFLOW.md may not set merge_authority: {wanted} (the operator's is {held}); {_BELONGS}."]
    if together.merge.confidence < operator.merge.confidence:
        found.append(f"WORKFLOW.md may not lower merge.confidence below {operator.merge.confidence}; {_BELONGS}.")
    priorities = {*operator.merge.by_priority, *together.merge.by_priority}
    return found + [
        f"WORKFLOW.md may only be stricter in merge.by_priority.{priority} than the operator; {_BELONGS}."
        for priority in sorted(priorities)
        if _strictness(together, priority) < _strictness(operator, priority)
    ]


def _strictness(settings: Settings, priority: str) -> tuple[int, int]:
    """How strict what is said for `priority` is by itself, as if everything else were allowed."""
    freely: MergeAuthority = "auto"
    return settings.model_copy(update={"merge_authority": freely}).merging(priority).strictness
