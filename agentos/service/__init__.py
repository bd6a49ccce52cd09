"""The service: what makes moving an issue to Ready the only act that is needed."""
