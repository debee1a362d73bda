"""A team's own projects: read where they stand, built offline with locked requirements, installed after the locks."""
