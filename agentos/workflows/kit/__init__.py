"""What every stage needs."""
