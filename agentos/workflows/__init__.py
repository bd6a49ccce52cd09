"""The pipeline: one folder a stage, and the outer graph."""
