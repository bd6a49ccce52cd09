"""LLD: the low-level design of the change, drafted, checked by code, judged by another model, posted on the issue."""
