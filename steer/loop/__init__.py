"""The loop: search, its steps, the confirmation, and a run around them."""
