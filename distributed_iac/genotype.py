"""The discrete description of a cell, and the graph that it is chosen from.

Room 0: plain values, no torch, no ray.
"""
