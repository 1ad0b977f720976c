"""The paper's tables and figures on any data set that is present: one module each.

A module computes (pure functions of an `Experiment` that return frozen dataclasses), shows what it found as a
table and as a picture, and holds what the authors report for real people; its `REPRODUCTION` is all four.
"""
