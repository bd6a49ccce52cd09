"""Implementation: from a spec to a branch with measured checks."""
