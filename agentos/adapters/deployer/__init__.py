"""Backends of the Deployer port."""
