"""Reads lists of arguments of ``vllm serve`` as JSON, and writes what its parser says of each, empty where it takes it.

Runs in an environment that has vLLM, and not in Daulat's own.
"""

import json
import os
import sys
from typing import NoReturn

os.environ |= {"HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "VLLM_LOGGING_LEVEL": "ERROR"}

import vllm.platforms as platforms
from vllm.platforms.cpu import CpuPlatform

# The parser asks which device there is, for its defaults. There is none.
platforms._current_platform = CpuPlatform()

import vllm.envs as envs
from vllm.entrypoints.openai.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser


class _Refused(Exception):
    pass


class _Parser(FlexibleArgumentParser):  # type: ignore[misc] # vLLM isn't installed where types are checked
    def error(self, message: str) -> NoReturn:
        raise _Refused(message)


def main() -> None:
    """Answer on standard output."""
    asked = json.load(sys.stdin)
    parser = make_arg_parser(_Parser(prog="vllm serve"))
    answers = []
    for arguments in asked["arguments"]:
        try:
            validate_parsed_serve_args(parser.parse_args(arguments))
            answers.append("")
        except (_Refused, TypeError, ValueError) as error:
            answers.append(str(error))
    unknown = [name for name in asked["variables"] if name not in envs.environment_variables]
    print(json.dumps({"answers": answers, "unknown": unknown}))


main()
