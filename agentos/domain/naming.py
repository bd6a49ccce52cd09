"""Names made from foreign text: branches, folders, repo-keys; and the one way foreign text becomes storable."""

import hashlib
import re
import unicodedata
from pathlib import Path
from urllib.parse import urlsplit

SLUG_LENGTH = 40
COMMENT_LIMIT_CHARACTERS = 60_000
_UNSAFE = re.compile(r"[^a-z0-9]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_INVISIBLE = re.compile("[\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e0fff]")
_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]+[0-~]|[0-Z\\-~])")
_HASHED = re.compile(r"-[0-9a-f]{16}")


def clean_text(text: str) -> str:
    """`text` without what breaks storage, terminals or readers' eyes; repeating it changes nothing more.

    Terminal sequences, control characters (but tab and newline), lone surrogates, bidirectional controls,
    zero-width, annotation and tag characters go; line ends become `\\n`.
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    text = _ANSI.sub("", text)
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _INVISIBLE.sub("", _CONTROL.sub("", text))


def fitted(text: str) -> str:
    """`text` cleaned and, where it is too long for a comment, cut at a line end with a last line that says so."""
    text = clean_text(text)
    if len(text) <= COMMENT_LIMIT_CHARACTERS:
        return text
    note = f"\n\n[cut here: the text has {len(text)} characters, a comment takes {COMMENT_LIMIT_CHARACTERS}]"
    room = text[: COMMENT_LIMIT_CHARACTERS - len(note)]
    return (room.rpartition("\n")[0] or room) + note


def slug(text: str, *, most: int = SLUG_LENGTH) -> str:
    """`text` as lower-case words of `[a-z0-9]` joined by `-`, at most `most` characters, never empty."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    words = _UNSAFE.sub("-", plain).strip("-")
    if len(words) > most:
        words = words[:most].rsplit("-", 1)[0] if "-" in words[:most] else words[:most]
    return words.strip("-") or "issue"


def branch_name(number: int, title: str) -> str:
    """The one branch of an issue: `agentos/<number>-<slug of its title>`."""
    return f"agentos/{number}-{slug(title)}"


def safe_name(key: str) -> str:
    """`key` as one file name of `[A-Za-z0-9._-]`; a changed name carries a hash of the original, so none collide.

    A key that ends like such a hash is changed too: nobody can take the name of another key by spelling it out.
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", key).strip("._") or "_"
    plain = plain[:80]
    if plain == key and not _HASHED.fullmatch(plain[-17:]):
        return plain
    return f"{plain}-{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"


def repo_key(origin_url: str | None, real_path: Path) -> str:
    """The name of a target repository: `host/owner/name` from its origin URL, else its folder's name and a hash.

    A local path as origin counts as none, so that clones of one folder stay apart.
    """
    host, path = _host_and_path(origin_url or "")
    name = path.strip("/").removesuffix(".git")
    if host and name and not re.fullmatch(r"[A-Za-z]", host):
        return f"{host}/{name}".lower()  # forges hold names apart by spelling, not by case
    digest = hashlib.sha256(str(real_path).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    return f"{slug(real_path.name)}-{digest}"


def _host_and_path(url: str) -> tuple[str, str]:
    scp = re.fullmatch(r"(?:[^@/]+@)?([A-Za-z0-9.-]+):(?!//)(.+)", url)
    if scp:
        return scp[1], scp[2]
    try:
        parts = urlsplit(url)
    except ValueError:  # a bracket that opens no IPv6 address: git would not get anywhere with it either
        return "", ""
    return parts.hostname or "", parts.path


def text_digest(*parts: str) -> str:
    """The sha256 (hex) of `parts`, kept apart by their lengths."""
    hashed = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass")
        hashed.update(f"{len(raw)}:".encode())
        hashed.update(raw)
    return hashed.hexdigest()
