"""What matplotlib says about slow machines does not reach the commands that tests read."""

import subprocess
import sys

AT_ONCE = """
import threading
timer = threading.Timer
threading.Timer = lambda seconds, function: timer(0, function)
import matplotlib.font_manager
"""


def test_a_started_process_finds_the_fonts_ready():
    """Else it looks for them, and says so on stderr where that takes over five seconds."""
    done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, check=True)
    assert done.stderr == ""
