"""Pictures, prompts and whole runs beside each other."""
