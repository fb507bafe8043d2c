"""Jobs carried out and written down: work, results, checkpoints, journal; no Ray."""
