"""Facts about the world as dated data: accelerators and the ways that containers reach devices. Cluster objects add to it."""
