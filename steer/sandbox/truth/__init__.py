"""What the simulated people really think. Only the makers of the sandbox and the experiments may look."""
