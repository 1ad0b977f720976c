"""A run's folder: all that is needed to read, resume, reproduce and judge it."""
