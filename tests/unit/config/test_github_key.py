"""The private key of a GitHub App: from a file or the environment, and never told."""

from pathlib import Path

import pytest

from agentos.config.load import github_key, load, secrets_present, webhook_secret
from agentos.domain.error import UsageError

PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the user's configuration lies."""
    monkeypatch.setenv("AGENTOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("AGENTOS_CONFIG", str(tmp_path / "config.yaml"))
    (tmp_path / "config.yaml").write_text("github: {app_id: 42, private_key_file: app.pem}\n", "utf-8")
    return tmp_path


def test_a_file_is_found_beside_the_configuration_that_names_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "app.pem").write_text(PEM, "utf-8")
    monkeypatch.chdir("/")
    settings = load(None).settings
    assert settings.github.app_id == "42"
    key = github_key(settings)
    assert key is not None
    assert key.get_secret_value() == PEM
    assert "MIIE" not in f"{settings!r} {key!r}"


def test_the_environment_goes_before_the_file_and_may_write_its_line_ends_on_one_line(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_line = PEM.replace("\n", "\\n")
    monkeypatch.setenv("AGENTOS_GITHUB_PRIVATE_KEY", one_line)
    settings = load(None).settings
    key = github_key(settings)
    assert key is not None
    assert key.get_secret_value() == PEM
    assert one_line in secrets_present(settings)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_file_that_cannot_be_read_is_named_without_its_content(folder: Path, content: bytes | None) -> None:
    if content is not None:
        (folder / "app.pem").write_bytes(content)
    with pytest.raises(UsageError, match=r"private_key_file names .*app\.pem"):
        github_key(load(None).settings)


def test_the_secret_of_webhooks_is_no_setting_and_is_known_as_a_secret(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert webhook_secret() is None
    monkeypatch.setenv("AGENTOS_GITHUB_WEBHOOK_SECRET", "a-webhook-secret-of-32-characters")
    found, settings = webhook_secret(), load(None).settings
    assert found is not None
    assert found.get_secret_value() in secrets_present(settings)
    (folder / "config.yaml").write_text("github_webhook_secret: x\n", "utf-8")
    with pytest.raises(UsageError):
        load(None)
