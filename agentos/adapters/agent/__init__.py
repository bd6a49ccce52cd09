"""Backends of the CodingAgent port."""
