"""PAMELA as a library: a predictor of how one person would rate an image. Knows nothing of `steer`."""
