"""What a run is asked to do: frozen values, one branch a room."""
