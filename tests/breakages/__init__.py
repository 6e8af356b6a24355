"""Single mistakes in the shipped configuration, and the problem each must be reported as."""
