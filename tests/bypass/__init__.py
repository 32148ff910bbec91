"""Ways round a policy, tried on a real API server with the rights that whoever tries them has."""
