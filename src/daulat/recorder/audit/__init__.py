"""How the API server's audit log reaches the recorder: ``webhook``, or ``follow`` for a file; either way through ``intake``.

intake = Intake(Reader(Pseudonyms(salts.salt), operator), accept, revisions)
await AuditWebhook(intake, options).start()      # or
await AuditFile(intake, log, position).run()
"""
