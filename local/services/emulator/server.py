"""Runs the AWS emulator with the variables of a settings file, which stands last among the arguments."""

import json
import os
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    os.environ.update(json.load(file))
# What it writes (its pid, code of functions) is for nobody else.
os.umask(0o077)
# The emulator reads the arguments as well, and settings when it is loaded.
del sys.argv[1:]

from ministack.app import main  # noqa: E402

main()
