"""The command line: one file a command group, and nothing that judges evidence.

Commands turn options into one call of a stage and a result into a screen or one JSON document. Heavy libraries are
imported inside the commands that need them, so that `--help` answers at once.
"""
