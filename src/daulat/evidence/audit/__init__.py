"""The API server's audit log as evidence: refusals, sessions, impersonations, and changes of what Daulat decides by.

``batch`` turns the bytes of a batch into drafts, ``entries`` describes these, ``policy`` is the audit policy that lets the API
server log what they need.
"""
