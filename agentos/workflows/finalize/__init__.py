"""Finalize: merge, verify what was merged, file what is left to do, clean up, close."""
