"""Which model version is judged, and how it is reached in the registry."""
