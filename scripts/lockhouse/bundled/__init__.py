"""What travels along in a bundle and runs where there is no Lockhouse: one file, standard library only."""
