"""Tools for developing Daulat; nothing here ships to users."""
