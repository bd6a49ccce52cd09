"""A to-do list in a file."""
