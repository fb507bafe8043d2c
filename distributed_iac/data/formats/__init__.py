"""Readers of raw data sets: one small file a format."""
