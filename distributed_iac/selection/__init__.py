"""Which of the found cells are retrained, and why."""
