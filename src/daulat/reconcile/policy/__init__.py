"""A policy: what it compiles to, the proof that it is in force, and the pods that it no longer accepts."""
