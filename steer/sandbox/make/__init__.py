"""Makes the sandbox's data set and trains what learns from it."""
