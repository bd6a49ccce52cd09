"""Words on a command line, whatever they are: a request or one sentence."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentos.cli.args import COMMANDS, parse
from agentos.domain.error import UsageError

pytestmark = pytest.mark.examples("command line")
_TYPED = st.lists(
    st.sampled_from(
        [
            *COMMANDS,
            "1",
            "#2",
            "0",
            "-1",
            "9" * 5000,
            "--issue",
            "--set",
            "a=b",
            "--until",
            "lld",
            "--",
            "-q",
            "--json",
            "-f",
        ]
    )
    | st.text(max_size=8),
    max_size=6,
)


@given(_TYPED)
@example(["run", "--issue", "9" * 5000])
@example(["--issue=1"])
@example(["new", "\udcff"])
def test_whatever_is_typed_is_a_request_or_one_sentence(words: list[str]) -> None:
    try:
        request = parse(words, "agentos")
    except UsageError as exc:
        refused = str(exc)
        assert refused.endswith("--help` shows what there is")
        return
    except SystemExit as exc:
        code = exc.code
        assert code == 0
        return
    assert request.command in COMMANDS
    assert request.issue is None or request.issue >= 1


@given(st.integers(-3, 10**19).map(str) | st.text("0123456789#+-_ ٣½", max_size=6) | st.text(max_size=6))
@example("1_000")
@example(" 1")
@example("9" * 5000)
def test_a_number_is_digits_that_a_ledger_can_hold(text: str) -> None:
    is_number = re.fullmatch("#?(?!0+$)[0-9]{1,18}", text, re.ASCII)
    try:
        assert parse(["show", "--", text], "agentos").issue == int(text.removeprefix("#"))
        assert is_number
    except UsageError:
        assert not is_number


@given(st.text(max_size=12), st.text(max_size=12))
def test_a_setting_is_split_at_its_first_sign(key: str, value: str) -> None:
    word = f"--set={key}={value}"
    name, _, rest = word.removeprefix("--set=").partition("=")
    try:
        assert parse(["run", "--issue", "1", word], "agentos").overrides == {name: rest}
    except UsageError:
        assert not name
