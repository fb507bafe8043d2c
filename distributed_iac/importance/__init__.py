"""Importance of operations and edges over the epochs of a search: history and evidence."""
