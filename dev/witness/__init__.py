"""A witness and a log's side of it that aren't ours: ``litewitness``, and a program that submits to a witness by Go's libraries."""
