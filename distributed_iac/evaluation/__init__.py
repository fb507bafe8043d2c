"""From predicted slices to native volumes to patient-level metrics."""
