"""A registry on loopback, to try with real artefacts what copies and rewrites them: ``python -m dev.registry``."""
