"""Prompts from Markdown files, rendered with data that is marked as data."""
