"""Backends of the Clock port."""
