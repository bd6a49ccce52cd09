"""What the native agent is refused before a box is asked, and what it never reads."""

from tests.agents.conftest import Bench
from tests.agents.model_server import SUBMIT, calls
from tests.canaries import KINDS, bare


async def test_a_destructive_line_is_refused_with_its_reason_and_nothing_of_it_runs(bench: Bench) -> None:
    (bench.tree / "kept.py").write_text("kept\n")
    lines = [
        "touch ran; rm -rf *",
        "touch ran; rm -rf ../tree",
        "touch ran && git push origin HEAD",
        "touch ran; sudo id",
    ]
    played = await bench.play(calls(*(("bash", {"command": line}) for line in lines)), SUBMIT)
    assert [event.ok for event in played.acted][: len(lines)] == [False] * len(lines)
    assert played.results[0] == "refused: `rm -rf *` deletes the whole working folder: delete what you made, by name"
    assert played.results[2] == "refused: `git push origin HEAD` acts on a forge, which only people and AgentOS do"
    assert sorted(each.name for each in bench.tree.iterdir()) == ["kept.py"]


async def test_deleting_what_it_made_is_the_agents_right(bench: Bench) -> None:
    (bench.tree / "build").mkdir()
    played = await bench.play(calls(("bash", {"command": "rm -rf build"})), SUBMIT)
    assert played.results[0] == "exit code 0\n"
    assert not (bench.tree / "build").exists()


async def test_a_secret_of_the_repository_is_not_read_to_the_model(bench: Bench) -> None:
    token = KINDS["GitHub token"]("in the repository")
    (bench.tree / ".env").write_text(f"TOKEN={token}\n")
    asked = (
        ("view", {"path": ".env"}),
        ("bash", {"command": "base64 .env"}),
        ("search", {"pattern": "TOKEN"}),
    )
    played = await bench.play(calls(*asked), SUBMIT)
    read = "\n".join([*played.results, *played.heard])
    assert "TOKEN=[removed: GitHub token]" in read
    assert bare(token) not in bare(read)
    assert played.results[1].startswith("exit code 0\n[removed: GitHub token]"), "in base64, too"
