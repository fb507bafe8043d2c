"""The four parts that patients are divided into: drawn, given, and kept."""
