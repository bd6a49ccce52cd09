"""Which backends exist: port -> kind -> where its class is. Nothing is imported before it is asked for."""

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

from agentos.domain.error import BugError, UsageError

BACKENDS: Mapping[str, Mapping[str, str]] = {
    "tracker": {
        "files": "agentos.adapters.tracker.files:FilesTracker",
        "github": "agentos.adapters.tracker.github:GitHubTracker",
        "memory": "agentos.adapters.tracker.memory:MemoryTracker",
    },
    "forge": {
        "local": "agentos.adapters.forge.local:LocalForge",
        "github": "agentos.adapters.forge.github:GitHubForge",
        "memory": "agentos.adapters.forge.memory:MemoryForge",
    },
    "model": {
        "langchain": "agentos.adapters.model.langchain:LangChainModels",
        "scripted": "agentos.adapters.model.scripted:ScriptedModels",
    },
    "agent": {
        "native": "agentos.adapters.agent.native.agent:NativeAgent",
        "scripted": "agentos.adapters.agent.scripted:ScriptedAgent",
    },
    "sandbox": {
        "process": "agentos.adapters.sandbox.process:ProcessSandbox",
        "external": "agentos.adapters.sandbox.process:ExternalSandbox",
        "bubblewrap": "agentos.adapters.sandbox.bubblewrap:BubblewrapSandbox",
        "sandlock": "agentos.adapters.sandbox.sandlock:SandlockSandbox",
    },
    "deployer": {
        "command": "agentos.adapters.deployer.command:CommandDeployer",
        "artifact": "agentos.adapters.deployer.artifact:ArtifactDeployer",
        "github": "agentos.adapters.deployer.github:GitHubDeployer",
        "memory": "agentos.adapters.deployer.memory:MemoryDeployer",
    },
    "notifier": {
        "log": "agentos.adapters.notifier.log:LogNotifier",
        "memory": "agentos.adapters.notifier.memory:MemoryNotifier",
    },
    "clock": {
        "system": "agentos.adapters.clock.system:SystemClock",
        "manual": "agentos.adapters.clock.manual:ManualClock",
    },
}


def backend(port: str, kind: str) -> Any:
    """The class of the backend `kind` of `port`.

    Raises: UsageError for an unknown kind, with the nearest one there is.
    """
    if port not in BACKENDS:
        raise BugError(f"there is no port {port!r}; one of: {', '.join(BACKENDS)}")
    kinds = BACKENDS[port]
    if kind not in kinds:
        near = difflib.get_close_matches(kind, kinds, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"{kind!r} is no {port}; one of: {', '.join(sorted(kinds))}{hint}")
    module, _, name = kinds[kind].partition(":")
    found = getattr(importlib.import_module(module), name, None)
    if not isinstance(found, type):
        raise BugError(
            f"{kinds[kind]} names no class; mend the line {kind!r} of {port} in agentos/adapters/registry.py"
        )
    return found
