"""PAMELA: the network, and all that scoring needs around it."""
