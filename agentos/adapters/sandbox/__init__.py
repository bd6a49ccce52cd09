"""Backends of the Sandbox port."""
