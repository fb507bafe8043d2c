"""A sweep on paper: recorded jobs replayed on any number of virtual GPUs; no clock, no Ray."""
