"""A report: what a log shows of a period, with the entries that prove each claim, as a folder that is checked without the log."""
