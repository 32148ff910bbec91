"""The commands that the documentation shows: read from its pages, run in their order, and compared with what the pages print."""
