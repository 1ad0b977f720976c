"""Stands before the real pip on the path of a test's processes: what it is asked is written down, no more."""
