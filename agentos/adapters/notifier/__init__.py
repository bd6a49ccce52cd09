"""Backends of the Notifier port."""
