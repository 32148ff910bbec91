"""The policy that other projects' files are judged by, and what is recorded of them."""
