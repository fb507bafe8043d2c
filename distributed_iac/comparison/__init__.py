"""Full-length against shortened searches, and cells against controls."""
