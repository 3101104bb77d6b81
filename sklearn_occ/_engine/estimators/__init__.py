"""Base classes of the detectors that train a network."""
