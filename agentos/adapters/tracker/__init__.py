"""Backends of the Tracker port."""
