"""What `check` found, written for those who read it: people, programs, and the places where code is reviewed."""
