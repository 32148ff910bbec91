"""Witnesses over HTTP (C2SP tlog-witness): a client that has a log's checkpoints cosigned, and a server that cosigns others'."""
