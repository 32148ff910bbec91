"""Whether a policy only narrows another one: whatever it admits, the other one admits too."""
