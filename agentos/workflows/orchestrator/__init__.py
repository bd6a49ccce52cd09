"""The outer graph, built from the pipeline table."""
