"""Spec: what to write, file by file, and the test that proves each scenario; drafted, checked by code, judged, posted."""
