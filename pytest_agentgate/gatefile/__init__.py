"""What the user asked for: the gate file and the command line, checked and merged."""
