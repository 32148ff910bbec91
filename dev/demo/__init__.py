"""The main job from end to end, with a table of what was placed, what was refused, and why."""
