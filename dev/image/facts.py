"""What the image is: user, paths, environment, entrypoint, labels, and which Debian packages it is made of.

The Dockerfile says the same in its own words, and a test compares the two. Versions and digests are in requirements/debian.txt
and requirements/weights.txt.
"""

from __future__ import annotations

REPOSITORY = "ghcr.io/daulat/daulat"
PYTHON = "3.13"
USER = "65532:65532"
HOME = "/opt/daulat"
"""A virtual environment, with the operator's own code beside it."""
PACKAGES = f"{HOME}/lib/python{PYTHON}/site-packages"
SOURCE = f"{HOME}/src"
PROGRAM = f"{HOME}/bin/python"
ENTRYPOINT = (PROGRAM, "-m", "daulat.cli.main")
COMMAND = ("operator",)
SCRIPT = f"#!{PROGRAM}\nfrom daulat.cli.main import main\n\nmain()\n"
"""``daulat`` in the PATH."""
ENVIRONMENT = {
    "PATH": f"{HOME}/bin:/usr/bin",
    "PYTHONPATH": SOURCE,
    # The working directory is never searched for modules.
    "PYTHONSAFEPATH": "1",
    # The root file system is read-only.
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}
LABELS = {
    "org.opencontainers.image.title": "Daulat",
    "org.opencontainers.image.description": "The Daulat operator, and the init container that fetches and checks weights",
    "org.opencontainers.image.source": "https://github.com/daulat/daulat",
    "org.opencontainers.image.licenses": "Apache-2.0",
}
"""Version and revision come with each build."""

GLIBC = 41
"""The minor version of Debian's glibc 2, which limits the wheels that run there."""
SUITE = "trixie"
RELEASE = "debian-13"
DEBIAN = (
    # os-release, for scanners that have to know the distribution, and the texts of common licences.
    "base-files",
    # Object stores' client starts only where there are certificates.
    "ca-certificates",
    f"python{PYTHON}-minimal",
    f"libpython{PYTHON}-minimal",
    f"libpython{PYTHON}-stdlib",
    # Licences of GCC's libraries.
    "gcc-14-base",
    # What these and the wheels are linked with.
    "libbz2-1.0",
    "libc6",
    "libexpat1",
    "libffi8",
    "libgcc-s1",
    "liblzma5",
    "libsqlite3-0",
    "libssl3t64",
    "libstdc++6",
    "libuuid1",
    "libzstd1",
    "zlib1g",
)
"""No package with a shell is among them, nor dpkg, perl and the other packages that Debian calls essential."""
