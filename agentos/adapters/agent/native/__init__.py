"""The built-in coding agent."""
