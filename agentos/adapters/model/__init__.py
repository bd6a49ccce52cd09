"""Backends of the ChatModel port."""
