"""The example of a log and of its report, examples/evidence."""
