"""Importance of operations and edges over the epochs of a search: history, evidence, cost."""
