"""What the tests stand on: real wheels, a real index, real projects and environments, and the fences around them."""
