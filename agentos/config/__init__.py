"""Settings: their shape, their defaults and where they are read from."""
