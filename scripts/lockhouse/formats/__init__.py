"""What `check` found, written for those who read it."""
