"""A server of S3 for tests: versitygw, which keeps objects in a folder and honours the conditions of writes."""
