"""What a sweep writes down while it runs, and the tables that follow from it; no Ray."""
