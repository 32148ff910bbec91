"""What a process uses is read from the kernel."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from bench import usage


def test_the_processor_time_of_another_process_is_its_own_threads_included() -> None:
    program = (
        "import threading, time\nt = threading.Thread(target=lambda: sum(range(3_000_000))); t.start(); t.join()\n"
    )
    program += "print(time.process_time(), flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    own = float(child.stdout.readline())
    assert usage.processor_seconds(child.pid) == pytest.approx(own, abs=0.05)
    child.communicate("\n")
    with pytest.raises(OSError, match=r".*"):
        usage.processor_seconds(child.pid)


def test_processor_time_does_not_pass_while_a_process_waits() -> None:
    before = time.process_time()
    assert usage.processor_seconds(os.getpid()) == pytest.approx(before, abs=0.05)


def test_the_peak_is_no_less_than_what_is_held_now() -> None:
    assert usage.peak_mib(os.getpid()) >= usage.resident_mib(os.getpid()) > 5
