"""The prompt files, by name, and their digest."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jinja2 import TemplateError

from agentos.domain.error import BugError
from agentos.domain.naming import text_digest
from agentos.prompting.render import environment
from agentos.telemetry.redaction import redacted

SHARED = "shared"
_PARTS = re.compile(r"\A---\n(?P<front>.*?)\n---\n\s*## system\n(?P<system>.*?)\n## user\n(?P<user>.*)\Z", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt file: what it is for, which `inputs` it must be given, which it may be (`optional`, else empty), and
    the reply it asks for."""

    name: str
    purpose: str
    inputs: tuple[str, ...]
    optional: tuple[str, ...]
    reply: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a model is given. `digest` names exactly this text."""

    system: str
    text: str
    digest: str


class PromptLibrary:
    """The prompts of one folder: `<stage>/<name>.md`, with parts to include in `shared/`.

    A file is front matter (`purpose`, `inputs`, `reply`, and maybe `optional`), then `## system`, then `## user`. Inputs go into the user
    part alone, so that the standing instructions hold no foreign text and can be cached.
    """

    def __init__(self, folder: Path) -> None:
        files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.md"))}
        if not files:
            raise BugError(f"{folder} holds no prompts: the installation is incomplete.")
        hashed = hashlib.sha256()
        for name, raw in files.items():
            hashed.update(f"{name}\0{len(raw)}\0".encode() + raw)
        self.digest = hashed.hexdigest()
        """The sha256 over all files, for the run's record."""
        self.prompts: Mapping[str, Prompt] = {}
        """Every prompt by its name, `<stage>/<name>`."""
        templates, prompts = {}, {}
        for file, raw in files.items():
            text = raw.decode("utf-8").replace("\r\n", "\n")
            if file.startswith(f"{SHARED}/"):
                templates[file] = text.rstrip("\n")
                continue
            prompt, system, user = _parsed(file.removesuffix(".md"), text)
            prompts[prompt.name] = prompt
            templates[f"{prompt.name}#system"], templates[f"{prompt.name}#user"] = system, user
        self.prompts = prompts
        self._environment = environment(templates)

    def render(self, name: str, **inputs: object) -> Rendered:
        """The prompt `name` with its inputs filled in.

        Raises BugError for an unknown prompt, and for an input that is missing or not declared.
        """
        prompt = self.prompts.get(name)
        if prompt is None:
            raise BugError(f"There is no prompt {name}; there are: {', '.join(sorted(self.prompts))}.")
        missing, unknown = set(prompt.inputs) - set(inputs), set(inputs) - {*prompt.inputs, *prompt.optional}
        if missing or unknown:
            problems = [f"lacks {item}" for item in sorted(missing)] + [f"does not take {x}" for x in sorted(unknown)]
            raise BugError(f"The prompt {name} {', '.join(problems)}.")
        try:
            system = self._environment.get_template(f"{name}#system").render()
            text = self._environment.get_template(f"{name}#user").render(dict.fromkeys(prompt.optional, "") | inputs)
        except TemplateError as exc:
            raise BugError(f"The prompt {name} cannot be filled in: {exc}") from exc
        system, text = system.strip() + "\n", redacted(text.strip()) + "\n"
        return Rendered(system, text, text_digest(system, text))


@lru_cache(maxsize=1)
def prompts_in(folder: Path) -> PromptLibrary:
    """The prompts of `folder` as they were when this process first asked."""
    return PromptLibrary(folder)


@lru_cache(maxsize=64)
def _parsed(name: str, text: str) -> tuple[Prompt, str, str]:
    from ruamel.yaml import YAML  # only where prompts are used

    parts = _PARTS.match(text)
    if parts is None:
        raise BugError(f"The prompt {name} is not front matter, `## system` and `## user`.")
    front = YAML(typ="safe", pure=True).load(parts["front"])
    if not isinstance(front, dict) or set(front) - {"optional"} != {"purpose", "inputs", "reply"}:
        raise BugError(f"The front matter of the prompt {name} should be purpose, inputs and reply.")
    prompt = Prompt(
        name, str(front["purpose"]), tuple(front["inputs"]), tuple(front.get("optional", ())), str(front["reply"])
    )
    return prompt, parts["system"], parts["user"]
