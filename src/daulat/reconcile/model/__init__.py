"""A model: where it runs, what is made for it, how its replicas are replaced, and its status."""
