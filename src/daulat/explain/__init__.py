"""Explains a control, a policy or an object from the same code that decides: what is asked, what is allowed, and why. Pure."""
