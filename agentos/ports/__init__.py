"""What the rest of the world must offer: a port stands where a second real backend does."""
