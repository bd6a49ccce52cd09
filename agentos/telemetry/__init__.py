"""What is told about a run while it happens: logs and events."""
