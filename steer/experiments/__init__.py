"""The paper's experiments with the loop itself (figures 4 to 8, section 6.2), run in the sandbox.

The people are simulated, so the truth is known: this package may ask the raters, which the loop may not.
"""
