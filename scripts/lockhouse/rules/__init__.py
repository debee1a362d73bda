"""What makes a lock or a wheelhouse wrong: the rules, and the findings they report."""
