"""Secrets that nobody ever used, of every kind, and the ways to spell one: made here, so that no file of ours holds one."""

import hashlib
import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def letters(seed: str, length: int, alphabet: str = _LETTERS) -> str:
    """So many characters, always the same for a seed, and never without a digit where there are digits."""
    raw = b"".join(hashlib.sha256(f"{seed}{number}".encode()).digest() for number in range(1 + length // 32))
    said = "".join(alphabet[byte % len(alphabet)] for byte in raw[: length - 2])
    return said + alphabet[-1] + alphabet[len(alphabet) // 2]


def _pem(seed: str) -> str:
    body = letters(seed, 192, _LETTERS + "+/")
    lines = "\n".join(body[start : start + 64] for start in range(0, 192, 64))
    return f"-----BEGIN {'RSA PRIVATE'} KEY-----\n{lines}\n-----END {'RSA PRIVATE'} KEY-----"


def _signed(seed: str) -> str:
    head, body = ('{"alg":"HS256","typ":"JWT"}', json.dumps({"sub": letters(seed, 12), "iat": 1516239022}))
    parts = [urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in (head, body)]
    return ".".join([*parts, letters(seed, 43)])


KINDS: dict[str, Callable[[str], str]] = {
    "Anthropic key": lambda seed: "sk-ant-" + "api03-" + letters(seed, 93),
    "OpenAI key": lambda seed: "sk-" + "proj-" + letters(seed, 48),
    "Google key": lambda seed: "AIza" + letters(seed, 35),
    "GitHub token": lambda seed: "ghp_" + letters(seed, 36),
    "fine-grained GitHub token": lambda seed: "github_" + "pat_" + letters(seed, 22) + "_" + letters(f"{seed}.", 59),
    "GitLab token": lambda seed: "glpat-" + letters(seed, 20),
    "AWS key": lambda seed: "AKIA" + letters(seed, 16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "Slack token": lambda seed: "xoxb-" + "2345678901-" + letters(seed, 24),
    "npm token": lambda seed: "npm_" + letters(seed, 36),
    "PyPI token": lambda seed: "pypi-" + letters(seed, 80),
    "Stripe key": lambda seed: "sk_" + "live_" + letters(seed, 24),
    "Hugging Face token": lambda seed: "hf_" + letters(seed, 34),
    "signed token": _signed,
    "private key": _pem,
}


def _split(value: str) -> str:
    third = len(value) // 3
    return f'"{value[:third]}" +\n    "{value[third : 2 * third]}" +\n    "{value[2 * third :]}"'


DISGUISES: dict[str, Callable[[str], str]] = {
    "plain": lambda value: value,
    "base64": lambda value: b64encode(value.encode()).decode(),
    "hexadecimal": lambda value: value.encode().hex(),
    "in a URL": lambda value: "".join(f"%{byte:02X}" for byte in value.encode()),
    "reversed": lambda value: value[::-1],
    "split over lines": _split,
}
MORE: dict[str, Callable[[str], str]] = {
    "base64 for URLs": lambda value: urlsafe_b64encode(value.encode()).decode().rstrip("="),
    "base64 of more": lambda value: b64encode(f"key={value}!".encode()).decode(),
    "large hexadecimal": lambda value: value.encode().hex().upper(),
    "quoted for a URL": lambda value: quote(value, safe=""),
    "in JSON": lambda value: json.dumps({"key": value}),
    "base64 in lines": lambda value: _split(b64encode(value.encode()).decode()),
    "lines in JSON": lambda value: json.dumps(f"see\n{_split(value)}\nand so on"),
}


def spelled(value: str) -> list[str]:
    """Every way in which `value` may be written, without signs and spaces, so that no line break hides one."""
    ways = [*DISGUISES.values(), *MORE.values()]
    return sorted({bare(way(value)) for way in ways} - {""})


def bare(text: str) -> str:
    """`text` without signs and spaces."""
    return "".join(char for char in text if char.isascii() and char.isalnum())
