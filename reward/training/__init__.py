"""From ratings to a predictor."""
