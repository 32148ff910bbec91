"""How the API server's audit log reaches the recorder: ``webhook``, or ``follow`` for a file; either way through ``intake``.

``Intake(Reader(Pseudonyms(salts.salt), operator), accept, revisions)`` is what both are given. ``AuditWebhook`` has ``start`` and
``stop``, ``AuditFile`` has ``run``.
"""
