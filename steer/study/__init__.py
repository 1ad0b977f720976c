"""Blind comparisons in pairs (section 6.1, Figure 14): made from runs, judged in the browser, ranked."""
