"""The commands of the command line, a module each: `run` leads from the options to the exit code."""
