"""Triage: reads the issue, asks what only a person knows, and hands on an issue brief and a route."""
