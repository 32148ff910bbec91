"""The process that keeps reports: reads, judges at a pace, and writes where a report differs."""
