"""The pages say what the code does: derived ones to the letter, written ones as far as code can tell."""

import ast
import re
from pathlib import Path

import pytest

from agentos.cli.messages import messages_page, sentences
from agentos.config.budgets import CeilingSettings
from agentos.config.reference import configuration_page
from agentos.config.settings import CommandLimitsSettings, Settings
from agentos.domain.event import EventKind
from agentos.domain.failure import FailureKind
from agentos.domain.pipeline import TABLE, Stage
from agentos.domain.status import Status
from agentos.runs.event_schemas import event_schemas
from agentos.runs.result import ExitCode
from agentos.workflows.orchestrator.drawing import diagram, pipeline_page
from tests.architecture.tree import ROOT, modules, parsed, tracked
from tools.check import derived_pages

README_LINES = 150
PROMISED = {"PIPE": 14, "OPER": 12, "QUEUE": 13, "WORK": 8, "FACE": 3, "ARCH": 3}
PAGES = sorted(
    path for path in tracked() if path.endswith(".md") and not path.startswith(("configs/", "prompts/", "tests/"))
)


def _page(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _rows(text: str) -> list[list[str]]:
    """The cells of every table line that begins with code or an id."""
    lines = [line for line in text.splitlines() if re.match(r"\| (?:`|\d|R-)", line)]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


@pytest.mark.parametrize("path", sorted(derived_pages()))
def test_a_derived_page_is_what_the_code_says(path: str) -> None:
    assert _page(path) == derived_pages()[path], "run: python tools/check.py --write-docs"


@pytest.mark.slow
def test_every_sentence_of_a_refusal_is_on_the_page_of_messages() -> None:
    assert _page("docs/reference/messages.md") == messages_page(), "run: python tools/check.py --write-docs"


def test_errors_are_found_with_their_sentence_and_what_differs_is_left_open() -> None:
    tree = ast.parse('HINT = "mend it"\nraise Gone(f"{path} is\\n no <b>: {HINT}" + (f"; {a}{b}" if a else ""))')
    assert list(sentences(tree, {"Gone": "UsageError"})) == [("UsageError", "… is no \\<b>: mend it…")]


CODES_OF = {"blocked": 1, "asked": None, "Wait": None, "replace": None, "Ruling": 2}
"""Where the code of a wait stands among the arguments of those that make one; None: only under its name."""


def _codes() -> set[str]:
    """Every code with which a run may halt, read off the places that say so."""
    found: set[str] = set()
    for module in modules("agentos"):
        words = {
            target.id: value.value
            for node in parsed(module).body
            if isinstance(node, ast.Assign)
            for targets, values in [(node.targets[0], node.value)]
            for target, value in zip(
                targets.elts if isinstance(targets, ast.Tuple) else [targets],
                values.elts if isinstance(values, ast.Tuple) else [values],
                strict=False,
            )
            if isinstance(target, ast.Name) and isinstance(value, ast.Constant)
        }
        for node in ast.walk(parsed(module)):
            if not isinstance(node, ast.Call) or (made := ast.unparse(node.func)) not in CODES_OF:
                continue
            place = CODES_OF[made]
            given = [word.value for word in node.keywords if word.arg == "code"]
            given += [node.args[place]] if place is not None and len(node.args) > place else []
            for code in given:
                match code:
                    case ast.Constant(value=str(text)):
                        found.add(text)
                    case ast.Name(id=name) if name in words:
                        found.add(str(words[name]))
    return (
        found | {"question", *(f"outside_{kind}" for kind in FailureKind)} | {"max_test_retries", "max_review_rounds"}
    )


def test_every_reason_to_halt_is_on_the_page_of_troubles() -> None:
    listed = {code for row in _rows(_page("docs/troubleshooting.md")) for code in re.findall(r"`(\w+)`", row[0])}
    assert {"setup_fails", "too_large", "intake", "budget"} <= _codes()
    assert sorted(_codes() - listed) == []


def test_the_diagram_has_every_stage_gate_and_way_once() -> None:
    lines = [line.strip() for line in diagram().splitlines()[1:]]
    edges = {tuple(re.split(r" (?:-- .+? -->|-->) ", line)) for line in lines if "-->" in line}
    nodes = {re.split(r"[\[{(]", line)[0] for line in lines if "-->" not in line}
    assert nodes == {*Stage, *(row.gate for row in TABLE if row.gate), "done"}
    assert len(lines) == len(set(lines)) == len(nodes) + len(edges)
    assert {node for edge in edges for node in edge} == nodes
    assert {("after_triage", "lld"), ("after_triage", "impl"), ("pr", "review"), ("finalize", "done")} <= edges
    assert ("lld", "impl") not in edges


def test_every_status_and_step_is_on_the_pipelines_page() -> None:
    page = pipeline_page()
    assert [status for status in Status if f"**{status}**" not in page] == []
    assert [step for row in TABLE for step in row.steps if step not in page] == []


def _dotted(values: dict[str, object], above: str = "") -> set[str]:
    keys: set[str] = set()
    for name, value in values.items():
        keys |= _dotted(value, f"{above}{name}.") if isinstance(value, dict) and value else {f"{above}{name}"}
    return keys


def test_every_setting_is_on_the_configurations_page() -> None:
    dumped = Settings(home=Path("home")).model_dump(mode="json")
    listed = {row[0].strip("`") for row in _rows(configuration_page())}
    open_ended = {"commands", "deploy", "models.prices"}
    assert _dotted(dumped) - open_ended <= listed
    assert {"commands.<name>.run", "deploy.run", "models.prices.<name>.input_usd"} <= listed


def test_who_may_set_what_is_said_per_key() -> None:
    who = {row[0].strip("`"): row[3] for row in _rows(configuration_page())}
    operators = {"profile", "sandbox", "database_url", "home", "models.script", "models.base_url", "models.fallback"}
    operators |= {
        "orchestrator.skip_lld",
        "orchestrator.skip_spec",
        "sandbox_readable",
        "github_token",
        "github.api_url",
        "github.project",
        "asked_for",
        "service.runs",
        "service.poll_active_s",
        "service.poll_idle_s",
        "service.webhook_address",
        "github_private_key",
        "github.app_id",
        "github.installation_id",
        "github.private_key_file",
    }
    operators |= {f"command_limits.{name}" for name in CommandLimitsSettings.model_fields}
    assert {key for key, name in who.items() if name == "operator" and "prices" not in key} == operators
    tightened = {"trust.people", "merge_authority", "budget.call.usd", "budget.call.tokens"}
    tightened |= {f"budget.{scope}{name}" for scope in ("", "stage.", "day.") for name in CeilingSettings.model_fields}
    tightened |= {"merge.confidence", "merge.by_priority", "scope.types", "scope.protected"}
    assert {key for key, name in who.items() if name == "tighten"} == {*tightened, "commands.<name>.network"}


def test_every_exit_code_is_listed() -> None:
    listed = {(int(row[0]), row[1]) for row in _rows(_page("docs/reference/exit-codes.md"))}
    assert listed == {(int(code), code.name.lower()) for code in ExitCode}


def _event_of(node: ast.AST) -> EventKind | None:
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "EventKind":
        return EventKind[node.attr]
    return None


def _written() -> set[tuple[str, str]]:
    """Kind and key of every payload that is spelled out where an event is written."""
    found: set[tuple[str, str]] = set()
    for module in modules("agentos"):
        for node in ast.walk(parsed(module)):
            if not isinstance(node, ast.Call) or ast.unparse(node.func).rpartition(".")[2] not in WRITERS:
                continue
            given = [*node.args, *(word.value for word in node.keywords if word.arg == "event")]
            for kind in filter(None, map(_event_of, given)):
                found |= {(kind, word.arg) for word in node.keywords if word.arg and word.arg not in NOT_PAYLOAD}
                dicts = [each for each in node.args if isinstance(each, ast.Dict)]
                found |= {(kind, str(ast.literal_eval(key))) for each in dicts for key in each.keys if key}
    return found


WRITERS = {"emit", "move", "_move", "transition", "NewEvent"}
NOT_PAYLOAD = {"event", "event_id", "data", "stage", "step"}


def test_every_event_is_listed_with_the_keys_it_is_written_with() -> None:
    listed = {
        row[0].strip("`"): set(re.findall(r"`(\w+)`", row[2])) for row in _rows(_page("docs/reference/events.md"))
    }
    assert set(listed) == {str(kind) for kind in EventKind}
    written = _written()
    assert {"tries", "verdict", "due_at", "number"} <= {key for _, key in written}
    assert sorted((kind, key) for kind, key in written if key not in listed[kind]) == []
    known = {kind: set(schema["properties"]) for kind, schema in event_schemas().items()}
    assert known == listed


def test_every_requirement_has_one_row_with_an_honest_status() -> None:
    rows = _rows(_page("docs/requirements.md"))
    promised = [f"R-{part}-{number + 1}" for part, most in PROMISED.items() for number in range(most)]
    assert [row[0] for row in rows] == promised
    assert {row[2] for row in rows} <= {"done", "partly", "later"}
    assert [row[0] for row in rows if row[2] != "later" and not row[3]] == []
    assert [row[0] for row in rows if row[2] == "partly" and "open" not in row[4]] == []


def test_every_test_a_requirement_names_exists() -> None:
    named = {name for row in _rows(_page("docs/requirements.md")) for name in re.findall(r"`([^`]+)`", row[3])}
    assert named
    missing = []
    for name in sorted(named):
        path, _, function = name.partition("::")
        file = ROOT / "tests" / path
        if not file.is_file() or (
            function and not re.search(rf"^(?:async )?def {function}\(", file.read_text("utf-8"), re.M)
        ):
            missing.append(name)
    assert missing == []


def test_every_place_a_requirement_names_exists() -> None:
    named = {
        name for row in _rows(_page("docs/requirements.md")) for name in re.findall(r"`([\w/.-]*[/.][\w/.-]*)`", row[4])
    }
    assert [
        name for name in sorted(named) if not (ROOT / "agentos" / name).exists() and not (ROOT / name).exists()
    ] == []


@pytest.mark.parametrize("path", PAGES)
def test_no_link_inside_the_project_is_broken(path: str) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", _page(path))
    assert [target for target in targets if not ((ROOT / path).parent / target).exists()] == []


def test_the_readme_stays_short_and_names_the_two_commands() -> None:
    text = _page("README.md")
    assert len(text.splitlines()) <= README_LINES
    assert "\nmake demo\n" in text
    assert "\npython tools/orchestrate.py --issue 1\n" in text
