"""What an agent would otherwise spend its first steps on finding out about the box it works in."""

from collections.abc import Sequence

from agentos.domain.error import OutsideError
from agentos.domain.naming import clean_text
from agentos.ports.agent import AgentTask
from agentos.ports.sandbox import Command, Sandbox

PROGRAMS = (
    *("git", "rg", "make", "python3", "pytest", "uv", "ruff", "node", "npm", "pnpm", "yarn", "go", "cargo", "java"),
    *("mvn", "gradle", "ruby", "bundle", "php", "composer", "dotnet", "gcc", "cmake", "jq"),
)
LOOK_S = 10.0
_LOOK = f"uname -sm; python3 -V 2>/dev/null || echo; for p in {' '.join(PROGRAMS)}; do command -v $p >/dev/null && echo $p; done; true"


async def surroundings(sandbox: Sandbox, task: AgentTask) -> str:
    """The box as a paragraph for the agent: system, programs, bounds. What cannot be found out is left out."""
    asked = Command(_LOOK, task.cwd, (task.cwd, task.scratch), LOOK_S, readable=task.readable)
    try:
        done = await sandbox.run(asked)
    except OutsideError:
        return described(task, ())
    return described(task, clean_text(done.output).splitlines() if done.exit_code == 0 else ())


def described(task: AgentTask, lines: Sequence[str]) -> str:
    """The paragraph, of the lines that the look around printed: system, Python, then a program a line."""
    limits = task.limits
    facts = [
        "Commands start in the working folder, the top of the checkout; relative paths of every tool begin there.",
        f"You have {limits.steps} steps (a reply with its tool calls is one) and {limits.wall_s / 60:.0f} minutes; a command "
        f"is stopped after {limits.command_s:.0f} s at the latest.",
        "Commands have no network, no input and no secrets. $TMPDIR is gone after each command.",
    ]
    if len(lines) >= 2:
        system, python, *programs = (line.strip() for line in lines)
        facts.append(f"The system is {system}{f' with {python}' if python else ''}.")
        facts.append(f"Of the usual programs there are: {', '.join(programs) or 'none'}.")
    return "## Where you work\n\n" + "\n".join(f"- {fact}" for fact in facts) + "\n"
