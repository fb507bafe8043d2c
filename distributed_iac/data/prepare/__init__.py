"""From a raw data set to its store: surveyed, decided, prepared, assembled, declared."""
