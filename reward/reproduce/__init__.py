"""The paper's tables and figures on any data set that is present: one module each, and plots apart.

The modules compute: pure functions of an `Experiment` that return frozen dataclasses. `plots` draws them,
`report` makes them JSON, `paper` holds the numbers that the authors report for real people, to stand beside.
"""
