"""References to images and other artefacts of a registry, as container runtimes read them: HOST/NAME:TAG@DIGEST."""

from __future__ import annotations

from pydantic import JsonValue

_LABEL = r"[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?"
HOST = rf"{_LABEL}(\.{_LABEL})*(:[0-9]{{1,5}})?"
SEGMENT = r"[A-Za-z0-9]+((\.|_|__|-+)[A-Za-z0-9]+)*"
"""One part of a name. The grammar (distribution/reference) has neither empty parts nor . and .. among them."""
NAME = rf"{HOST}(/{SEGMENT})+"
TAG = r"(:[A-Za-z0-9_][-A-Za-z0-9._]{0,127})?"
IMAGE_PATTERN = rf"^{HOST}(/{SEGMENT})*{TAG}(@[A-Za-z0-9+._-]+:[A-Fa-f0-9]{{32,}})?$"
PLAIN_PREFIX: JsonValue = {
    "rule": "self.endsWith('/') && !self.contains('/.') && !self.contains('%') && !self.contains('@')"
    " && (self.contains('://') ? self.substring(self.indexOf('://') + 3) : self).split('/').exists_one(s, s == '')",
    "message": "a prefix ends with a slash, and has no segment that is empty or begins with a dot, no % and no @",
}
