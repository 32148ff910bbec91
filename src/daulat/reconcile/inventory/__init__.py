"""The inventory: nodes with their labels of record, zones, and accelerators."""
