"""What to prune and why: policies, decisions, and the discrete cell at the end."""
