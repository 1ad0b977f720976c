"""A small simulated world: painter, reader and raters in which everything is known."""
