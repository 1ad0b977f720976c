"""What this machine can run: presets, loading, memory plans, and what is missing."""
