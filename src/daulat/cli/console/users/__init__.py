"""Users of a console that others reach: who they are, what they may list, and the pages that they may see."""
