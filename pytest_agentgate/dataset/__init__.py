"""The rows a candidate is evaluated on."""
