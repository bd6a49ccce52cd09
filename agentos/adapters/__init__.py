"""The backends behind the ports; one line each in the registry."""
