"""Backends of the Forge port."""
