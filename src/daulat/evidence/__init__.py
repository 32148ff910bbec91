"""What the log records: facts of the cluster, requests and chips as entries. Everything here is pure.

A record is described by what it says, as pydantic models in ``records`` and the modules beside it, and becomes an entry of the log
when the recorder appends it.
"""
