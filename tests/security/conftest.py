"""The worlds of the crash tests, for attacks on whole runs."""

from tests.crash.conftest import template, world, zygote  # noqa: F401 - fixtures
