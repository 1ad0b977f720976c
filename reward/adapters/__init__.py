"""Programs that score images with a baseline, each in an environment of its own; see docs/baselines.md.

They import nothing of `reward` and are run by their path. The comment on top of each names what it needs.
"""
