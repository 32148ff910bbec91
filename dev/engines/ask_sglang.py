"""Reads lists of arguments of ``sglang.launch_server`` as JSON, and writes what its parser says of each, empty where it takes it.

Runs in an environment that has SGLang, and not in Daulat's own.
"""

import argparse
import json
import sys
from typing import NoReturn

from sglang.srt.server_args import ServerArgs


class _Refused(Exception):
    pass


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise _Refused(message)


def main() -> None:
    """Answer on standard output."""
    asked = json.load(sys.stdin)
    parser = _Parser(prog="sglang")
    ServerArgs.add_cli_args(parser)
    answers = []
    for arguments in asked["arguments"]:
        try:
            parser.parse_args(arguments)
            answers.append("")
        except _Refused as error:
            answers.append(str(error))
    print(json.dumps({"answers": answers, "unknown": []}))


main()
