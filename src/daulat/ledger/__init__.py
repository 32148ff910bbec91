"""A transparency log of static files: its entries, tree, notes and proofs, one writer, and what verifies it.

The formats are those of C2SP (https://c2sp.org): signed-note, tlog-checkpoint, tlog-cosignature, tlog-tiles, tlog-proof.
Everything here is pure but for ``folder``, the store on a file system, and ``bucket``, the store in a bucket.
"""
