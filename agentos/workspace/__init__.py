"""Git worktrees and the repository we own for each target."""
