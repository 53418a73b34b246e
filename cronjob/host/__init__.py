"""What touches the machine, one outside thing per file."""
