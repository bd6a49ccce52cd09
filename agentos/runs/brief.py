"""A brief that a person wrote instead of triage: read and checked before anything starts."""

from pathlib import Path

from agentos.domain.error import UsageError

MOST_BYTES = 256 * 1024


def read_given(path: Path) -> str:
    """The brief in the file `path`, as the run keeps it. Raises UsageError that says what is wrong with it."""
    from agentos.workflows.triage.given import NotABrief, read_brief  # only where a brief is given

    try:
        raw = path.expanduser().read_bytes()
    except OSError as exc:
        raise UsageError(f"the brief {path} cannot be read: {exc.strerror}") from exc
    if len(raw) > MOST_BYTES:
        raise UsageError(f"the brief {path} is larger than {MOST_BYTES // 1024} KiB")
    try:
        return read_brief(raw.decode("utf-8-sig")).model_dump_json()
    except UnicodeDecodeError as exc:
        raise UsageError(f"the brief {path} is not UTF-8 text; save it as UTF-8") from exc
    except NotABrief as exc:
        reasons = str(exc).replace("\n", "; ")
        raise UsageError(f"{path} is no issue brief: {reasons}") from exc
