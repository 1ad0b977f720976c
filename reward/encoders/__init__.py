"""The frozen encoders in front of the predictor."""
