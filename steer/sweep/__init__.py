"""Many people, many prompts, many machines: each pair of a person and a prompt is one ordinary run."""
