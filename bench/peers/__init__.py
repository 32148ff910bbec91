"""The tools that Daulat is compared with, built from pinned modules."""
