"""Secrets in text, by what they are known to be or by their shape, plain or in disguise; and text without them.

A library would find shapes alone, and plain ones: what leaves here is looked at for both, and under six disguises. The
shapes follow what the issuers publish of their keys.
"""

import binascii
import re
from base64 import b64encode, urlsafe_b64decode
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote, unquote

LEAST_KNOWN, LEAST_UNMIXED, LEAST_HIDDEN = 8, 16, 12
"""Characters of a known secret that is looked for: of letters and digits, of either alone, and in disguise."""
LEAST_SHAPED = 18
"""Characters of the shortest text with a secret's shape: a password of ten in an address."""
MOST_WORDS = 3
_LEAST_DISTINCT = 8
_RUN = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_HEX = re.compile(r"[0-9A-Fa-f]{32,}")
_WORD = re.compile(r"[^\s\"'<>]+")
_ESCAPE = re.compile(r"\\[nrt]")
_AROUND = " \t\r\"'`+\\|>#"
"""What may stand around the parts of a text that goes on in the next line."""
_PLAIN = re.compile(r"[^A-Za-z0-9]+")
_STAND_IN = re.compile(r"example|placeholder|changeme|your[-_]|dummy|redacted|\.\.\.|<|\$\{|\{\{", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Shape:
    """How secrets of one kind look. `hints`: one of these is in every such text, which is quick to rule out. `said`: the
    group that is the secret itself."""

    kind: str
    hints: tuple[str, ...]
    pattern: str
    said: int = 0


def _shape(kind: str, hints: str, pattern: str, *, said: int = 0) -> Shape:
    return Shape(kind, tuple(hints.split()), pattern, said)


SHAPES = (
    _shape(
        "private key",
        "PRIVATE",
        r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[A-Z ]{0,40}-----(?:[^-]{32,20000})(?:-----END [A-Z0-9 ]{0,60}-----)?",
    ),
    _shape("Anthropic key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{24,200}"),
    _shape(
        "OpenAI key",
        "sk-",
        r"sk-(?!ant-)(?:proj-|svcacct-|admin-|or-v1-)?(?=[A-Za-z0-9_-]{0,60}[0-9])(?=[A-Za-z0-9_-]{0,60}[a-z])[A-Za-z0-9_]{20}[A-Za-z0-9_-]{4,200}",
    ),
    _shape("Google key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
    _shape("GitHub token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{36,255}"),
    _shape("GitHub token", "github_pat_", r"github_pat_[A-Za-z0-9_]{40,255}"),
    _shape("GitLab token", "glpat-", r"glpat-[A-Za-z0-9_.-]{20,300}"),
    _shape("AWS key", "AKIA ASIA", r"(?:AKIA|ASIA)[A-Z2-7]{16}"),
    _shape(
        "AWS secret",
        "aws_secret AWS_SECRET secretAccessKey SecretAccessKey",
        r"(?i:aws_secret_access_key|secretaccesskey)[\"' ]*[=:][\"' ]*([A-Za-z0-9/+]{40})",
        said=1,
    ),
    _shape("Slack token", "xoxa- xoxb- xoxe- xoxp- xoxs- xapp-", r"(?:xox[abeps]|xapp)-[A-Za-z0-9-]{20,250}"),
    _shape("npm token", "npm_", r"npm_[A-Za-z0-9]{36}"),
    _shape("PyPI token", "pypi-", r"pypi-[A-Za-z0-9_-]{50,500}"),
    _shape("Hugging Face token", "hf_", r"hf_[A-Za-z0-9]{30,60}"),
    _shape("Stripe key", "sk_live_ rk_live_", r"[sr]k_live_[A-Za-z0-9]{20,250}"),
    _shape("Groq key", "gsk_", r"gsk_[A-Za-z0-9]{40,80}"),
    _shape("xAI key", "xai-", r"xai-[A-Za-z0-9]{60,120}"),
    _shape(
        "signed token",
        "eyJ",
        r"eyJ[A-Za-z0-9_-]{10,600}+\.eyJ[A-Za-z0-9_-]{10,8000}+\.[A-Za-z0-9_-]{16,2000}",
    ),
    # Not that of a server on the same machine, or of one that cannot be: tests and compositions are full of those.
    _shape(
        "password in an address",
        "://",
        r"[a-z][a-z0-9+.-]{1,20}://[^\s/:@'\"]{1,64}:(?=[^\s/@'\"]{0,199}[0-9])([^\s/@'\"]{10,200})@"
        r"(?!localhost|127\.|\[|[\w.-]{0,200}\b(?:example|invalid|test|localhost)\b)",
        said=1,
    ),
)
KNOWN = "secret of this machine"


@dataclass(frozen=True, slots=True)
class Leak:
    """Where a secret is: `text[start:end]`, and of what kind. It holds nothing of the secret itself."""

    kind: str
    start: int
    end: int


class Secrets:
    """What to look for: `known` values, whole or in disguise, and every shape. Values too short to tell are left out."""

    def __init__(self, known: Iterable[str] = ()) -> None:
        values = {value.strip() for value in known if _tells(value.strip())}
        self._exact = tuple(sorted(values, key=len, reverse=True))
        self._hidden = tuple(
            sorted({needle for value in values for needle in _disguises(value)}, key=len, reverse=True)
        )

    def leaks(self, text: str) -> tuple[Leak, ...]:
        """Every secret in `text`, in order; what overlaps is one."""
        return _merged([*self._known(text), *_shaped(text)])

    def redacted(self, text: str) -> str:
        """`text` with a word in the place of each secret; repeating it changes nothing more."""
        return _without(text, self.leaks(text))

    def redacted_known(self, text: str) -> str:
        """As `redacted`, of known values alone: for text that may hold anything of such a shape rightly."""
        return _without(text, _merged([*self._known(text)]))

    def _known(self, text: str) -> Iterator[Leak]:
        for value in self._exact:
            for at in _places(value, text):
                yield Leak(KNOWN, at, at + len(value))
        if not self._hidden:
            return
        plain, unescaped = "", _ESCAPE.sub("  ", text)
        plain = _PLAIN.sub("", unescaped)
        found = [needle for needle in self._hidden if needle in plain]
        if found:
            index = [number for number, char in enumerate(unescaped) if char.isascii() and char.isalnum()]
            for needle in found:
                for at in _places(needle, plain):
                    yield Leak(KNOWN, index[at], index[at + len(needle) - 1] + 1)


def _tells(value: str) -> bool:
    """Whether `value` is no common word or number, so that whoever says it gives it away."""
    mixed = any(char.isalpha() for char in value) and any(char.isdigit() for char in value)
    return len(value) >= LEAST_UNMIXED or (mixed and len(value) >= LEAST_KNOWN)


def _places(needle: str, text: str) -> Iterator[int]:
    at = text.find(needle)
    while at >= 0:
        yield at
        at = text.find(needle, at + len(needle))


def _disguises(value: str) -> Iterator[str]:
    """`value` as it may be spelled, letters and digits alone: so broken lines, quotes and signs between do not count."""
    raw = value.encode("utf-8", "replace")
    spelled = [value, value[::-1], raw.hex(), raw.hex().upper(), quote(value, safe="")]
    for shift in range(3):
        coded = b64encode(b"\0" * shift + raw).decode().rstrip("=")
        # The first and last characters hold bits of what stands around the value.
        spelled.append(coded[(0, 2, 3)[shift] : len(coded) - (1 if (len(raw) + shift) % 3 else 0)])
    return (plain for each in spelled if len(plain := _PLAIN.sub("", each)) >= LEAST_HIDDEN)


def _shaped(text: str) -> Iterator[Leak]:
    if len(text) < LEAST_SHAPED:
        return
    unescaped = _ESCAPE.sub("\n ", text)
    for kind, start, end in ((leak.kind, leak.start, leak.end) for leak in _matches(text[::-1])):
        yield Leak(kind, len(text) - end, len(text) - start)
    whole = [*_coded(unescaped)]
    yield from whole
    if "%" in unescaped:
        yield from _decoded(unescaped, _WORD, lambda word: [unquote(word)] if "%" in word else [])
    yield from _split(unescaped, whole)


def _coded(text: str) -> Iterator[Leak]:
    """Secrets as they are, and in code."""
    yield from _matches(text)
    yield from _in_code(text)


def _in_code(text: str) -> Iterator[Leak]:
    """Secrets in base64 and in hexadecimal digits."""
    yield from _decoded(text, _RUN, _from_base64)
    yield from _decoded(text, _HEX, _from_hexadecimal)


def _matches(text: str, *, anywhere: bool = False) -> Iterator[Leak]:
    """Secrets as they are; `anywhere`: also in the middle of what looks like a word."""
    for shape in SHAPES:
        if any(hint in text for hint in shape.hints):
            for match in _pattern(shape.pattern).finditer(text):
                if _is_real(match[shape.said]) and (anywhere or not _goes_on(text, match.start())):
                    yield Leak(shape.kind, *match.span(shape.said))


def _goes_on(text: str, at: int) -> bool:
    """Whether what begins at `at` is the middle of a word."""
    around = text[at - 1 : at + 1] if at else ""
    return bool(around) and around.isascii() and around.isalnum()


@cache
def _pattern(source: str) -> re.Pattern[str]:
    """Compiled on first use: most commands look for nothing."""
    return re.compile(source)


@cache
def _any_hint() -> re.Pattern[str]:
    return re.compile("|".join(re.escape(hint) for shape in SHAPES for hint in shape.hints))


def _is_real(secret: str) -> bool:
    """Whether it is no stand-in for a secret, as documentation has them."""
    return len(set(secret)) >= _LEAST_DISTINCT and _STAND_IN.search(secret) is None


def _decoded(text: str, runs: re.Pattern[str], decode: Callable[[str], Iterable[str]]) -> Iterator[Leak]:
    """The runs of `text` that hold a secret once they are decoded, each as a whole."""
    hint = _any_hint()
    for run in runs.finditer(text):
        kind = next((leak.kind for plain in decode(run[0]) if hint.search(plain) for leak in _matches(plain)), "")
        if kind:
            yield Leak(kind, run.start(), run.end())


def _from_base64(run: str) -> Iterator[str]:
    """What the run may say; it may begin with letters that do not belong to it."""
    if run in (run.lower(), run.upper()):  # a path, a digest: no text comes out of those
        return
    coded = run.rstrip("=").replace("+", "-").replace("/", "_")
    for shift in range(4):
        part = coded[shift : shift + (len(coded) - shift) // 4 * 4]
        rest = coded[shift + len(part) :]
        yield urlsafe_b64decode(part + (rest + "=" * (4 - len(rest)) if len(rest) > 1 else "")).decode("latin-1")


def _from_hexadecimal(run: str) -> Iterator[str]:
    """As `_from_base64`."""
    for shift in range(2):
        part = run[shift:]
        yield binascii.unhexlify(part[: len(part) // 2 * 2]).decode("latin-1")


def _split(text: str, whole: list[Leak]) -> Iterator[Leak]:
    """Secrets that go on in the next line, beyond those that are `whole` in one."""
    if "\n" not in text:
        return
    lines = text.split("\n")
    inner = [line.strip(_AROUND) for line in lines]
    joined = "".join(inner)
    leaks = [(leak, False) for leak in _matches(joined, anywhere=True)] + [(leak, True) for leak in _in_code(joined)]
    if not leaks:
        return
    index: list[int] = []
    at = 0
    for line, kept in zip(lines, inner, strict=True):
        begin = at + len(line) - len(line.lstrip(_AROUND))
        index += range(begin, begin + len(kept))
        at += len(line) + 1
    for leak, is_code in leaks:
        joints = [place for place in range(leak.start + 1, leak.end) if index[place] != index[place - 1] + 1]
        # Words before it are no part of it where it is one without them.
        without = [place for place in joints[:MOST_WORDS] if any(_coded(joined[place : leak.end]))]
        first = without[-1] if without else leak.start
        start, end = index[first], index[leak.end - 1] + 1
        quoted = any(text[index[place - 1] + 1 : index[place]].strip() for place in joints)
        is_known = any(start <= each.start < end for each in whole)
        if joints and not _goes_on(text, start) and (is_code or quoted or not is_known):
            yield Leak(leak.kind, start, end)


def _merged(leaks: list[Leak]) -> tuple[Leak, ...]:
    merged: list[Leak] = []
    for leak in sorted(leaks, key=lambda each: (each.start, -each.end)):
        if merged and leak.start < merged[-1].end:
            last = merged.pop()
            leak = Leak(last.kind, last.start, max(last.end, leak.end))
        merged.append(leak)
    return tuple(merged)


def _without(text: str, leaks: tuple[Leak, ...]) -> str:
    for leak in reversed(leaks):
        text = f"{text[: leak.start]}[removed: {leak.kind}]{text[leak.end :]}"
    return text
