"""What TensorBoard shows of a run: event files that follow from the run's own records."""
