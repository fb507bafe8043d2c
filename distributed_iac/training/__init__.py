"""Training loops, one ``step()`` at a time; no ray, no clock, no print."""
