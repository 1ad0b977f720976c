"""Whose taste: known people, new ones, groups and the population."""
