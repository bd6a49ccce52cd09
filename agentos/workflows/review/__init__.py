"""Review: a person decides about the change; what they ask for is worked in and put before them again."""
