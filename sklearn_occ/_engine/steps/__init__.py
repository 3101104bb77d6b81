"""Training steps: the eager one, and what wraps it if that is asked for."""
