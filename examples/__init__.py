"""Models to try the gates on."""
